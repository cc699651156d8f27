"""Verdicts, and the register of items."""

ITEMS = {}  # number -> Item, in the order of the files


class Wrong(Exception):
    """The server does something else than the item says; the text is what it does."""


class Unsure(Exception):
    """The item can not be decided for this server; the text says why."""


class Item:
    def __init__(self, number, kind, test):
        self.number, self.kind, self.test = number, kind, test


def item(number, kind="plain"):
    """Registers a function: its bed is of this kind, its docstring is the item in one line, and
    what it returns is the note."""
    def register(test):
        assert number not in ITEMS, number
        ITEMS[number] = Item(number, kind, test)
        return test
    return register


def check(right, text):
    if not right:
        raise Wrong(text)


def same(name, expected, got):
    check(got == expected, f"{name} {show(got)}, not {show(expected)}")


def show(value):
    """For a note: octets as text where they are text, and not all of a long value."""
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
        value = (f'"{text}"' if text.isprintable() and text.isascii() else value.hex()) or "empty"
        value = value if len(value) <= 60 else f"{value[:56]}… ({len(text)} octets)"
    return "absent" if value is None else value


def title(number):
    return ITEMS[number].test.__doc__.strip().splitlines()[0].rstrip(".")
