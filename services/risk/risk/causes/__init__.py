"""What makes risk switch trading by itself: a file for each cause, a small pure function of the state and the time."""
