"""`signalbox books` on a running desk: what is booked, refused and told, and by whom."""

from __future__ import annotations

from tests.running_desk import RunningDesk


def test_acts_are_booked_refused_and_listed(desk: RunningDesk) -> None:
    why = ("--reason", "a test", "--venue", "ibkr")
    desk.until(lambda: desk.query("SELECT * FROM books WHERE venue = 'ibkr'"))

    done = desk.run("books", "correct", "USD", "12.50", "--cash", *why, "--id", "books-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "cash: +12.50 USD\nbooked as books-1 by operator\n"
    [booked] = desk.lines("books", "interest", "USD", "-2.5", *why)
    assert (booked["type"], booked["cash"], booked["act"]["by"]) == ("BooksAdjusted", {"USD": "-2.5"}, "operator")
    done = desk.run("books", "split", "TSLA", "2:1", "--effective", "2020-01-02T14:30:00Z", "--reason", "a test")
    assert done.returncode == 3
    assert done.stderr.startswith("signalbox: refused: the desk has never held TSLA in DU1234567: is that its name?")
    desk.until(lambda: len(desk.lines("books", "list")) == 3)
    told = [(row["type"], row["outcome"], row["by"]) for row in reversed(desk.lines("books", "list"))]
    assert told == [
        ("CorrectCash", "BOOKED", "operator"),
        ("BookInterest", "BOOKED", "operator"),
        ("SplitPosition", "REFUSED", "operator"),
    ]
    desk.until(lambda: desk.query("SELECT * FROM books WHERE venue = 'ibkr' AND corrections = 12.5 AND income = -2.5"))
    # The other tests of the folder compare this desk's books with the venue's
    for name, amount in (("books-2", "-12.50"), ("books-3", "2.50")):
        assert desk.run("books", "correct", "USD", amount, "--cash", *why, "--id", name).returncode == 0
    desk.until(lambda: desk.query("SELECT * FROM books WHERE venue = 'ibkr' AND corrections = 2.5 AND income = -2.5"))


def test_what_contradicts_itself_is_told_without_a_desk(desk: RunningDesk) -> None:
    for words, said in (
        (("correct", "SPY", "1"), "say --price with a position"),
        (("correct", "USD", "1", "--cash", "--price", "2"), "say --price with a position"),
        (("correct", "USD", "1", "--cash"), "say at which --venue"),
        (("interest", "USD", "1"), "say at which --venue"),
        (("correct", "USD", "1", "--cash", "--no-cash", "--venue", "ibkr"), "leave it away with --cash"),
    ):
        done = desk.run("books", *words, "--reason", "a test")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
