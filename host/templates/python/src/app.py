"""Notes of a tenant. Every statement sees the rows of the tenant that the hook is called for, and no others."""

from dataclasses import dataclass

from applet_sdk import HookError, Row, Rows, db, hook


@dataclass
class NewNote:
    """A note to keep."""

    body: str


@hook
def add(note: NewNote) -> Row:
    """Keeps a note, and answers with it."""
    if not note.body.strip():
        raise HookError("empty-note", "a note needs a body")
    return db.table("notes").insert(body=note.body)


@hook("list")
def newest() -> Rows:
    """The newest notes."""
    return db.table("notes").select("id", "body").order_by("id", "desc").limit(100).get()
