"""A sample applet: a monthly report on a tenant's clients, chats and messages, as JSON and as CSV.

It reads three tables and changes nothing. Whose rows they are is not its business: the host sees to that.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from applet_sdk import db, hook

from month import Month

_MOST_CLIENTS = 1_000


@dataclass(frozen=True)
class Which:
    """Which month to report on; the current one, if nothing is said."""

    month: str | None = None


@dataclass(frozen=True)
class Status:
    """Clients of one status."""

    status: str
    clients: int
    value: Decimal


@dataclass(frozen=True)
class Sender:
    """Messages by one kind of sender."""

    sender_type: str
    messages: int
    chats: int


@dataclass(frozen=True)
class Client:
    """What happened with one client."""

    id: int
    name: str
    status: str
    value: Decimal
    chats: int
    messages: int


@dataclass(frozen=True)
class Report:
    """A month."""

    month: str
    new_clients: list[Status]
    messages: list[Sender]
    clients: list[Client]


@hook
def monthly(which: Which | None) -> Report:
    """The month's report."""
    return report(which)


@hook("monthly-csv")
def monthly_csv(which: Which | None) -> dict[str, str]:
    """The month's clients as CSV, and a name for the file."""
    found = report(which)
    return {"file": f"report-{found.month}.csv", "csv": as_csv(found.clients)}


@hook
def clients() -> Any:
    """The newest clients, by the query builder."""
    return (
        db.table("clients")
        .select("id", "first_name", "last_name", "status")
        .order_by("created_at", "desc")
        .order_by("id", "desc")
        .limit(10)
        .get()
    )


def report(which: Which | None) -> Report:
    """Asks the database three times, and adds nothing up itself."""
    month = Month.read(which.month if which else None)
    begin, end = month.bounds
    by_status = db.query(
        """
        SELECT status, count(*) AS clients, sum(lifetime_value) AS value
        FROM clients
        WHERE created_at >= $1 AND created_at < $2 AND deleted_at IS NULL
        GROUP BY status ORDER BY status
        """,
        [begin, end],
    )
    by_sender = db.query(
        """
        SELECT m.sender_type, count(*) AS messages, count(DISTINCT m.chat_id) AS chats
        FROM chat_messages m JOIN chats c ON m.chat_id = c.id
        WHERE m.created_at >= $1 AND m.created_at < $2 AND c.deleted_at IS NULL
        GROUP BY m.sender_type ORDER BY m.sender_type
        """,
        [begin, end],
    )
    by_client = db.query(
        """
        SELECT c.id, c.first_name || ' ' || c.last_name AS name, c.status, c.lifetime_value AS value,
               count(DISTINCT t.id) AS chats, count(m.id) AS messages
        FROM clients c
        LEFT JOIN chats t ON t.client_id = c.id AND t.deleted_at IS NULL
        LEFT JOIN chat_messages m ON m.chat_id = t.id AND m.created_at >= $1 AND m.created_at < $2
        WHERE c.created_at < $2 AND c.deleted_at IS NULL
        GROUP BY c.id, c.first_name, c.last_name, c.status, c.lifetime_value
        ORDER BY c.id LIMIT $3
        """,
        [begin, end, _MOST_CLIENTS],
    )
    return Report(
        str(month),
        by_status.decode(Status),
        by_sender.decode(Sender),
        by_client.decode(Client),
    )


def as_csv(found: list[Client]) -> str:
    """CSV as spreadsheets read it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name", "status", "value", "chats", "messages"])
    writer.writerows(
        [each.id, harmless(each.name), harmless(each.status), each.value, each.chats, each.messages] for each in found
    )
    return text.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: names are written by clients themselves."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
