"""What an exchange does, as values: it lists, matches, charges and books. Pure; no protocol, clock, network or file.

The simulated venues stand on it, and so does the desk in process. No service may know it: what a venue does is asked of
the venue.
"""
