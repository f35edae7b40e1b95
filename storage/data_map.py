"""What every table holds, whose it is and how long it stays. Export, deletion and retention are generated from it."""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """The privacy policy's categories (section 2)."""

    ACCOUNT = "account and registration data"
    AGENT = "agent configuration data"
    CONVERSATION = "conversation and interaction data"
    CREDENTIAL = "tool credentials and secrets"
    KNOWLEDGE = "knowledge base documents"
    CHANNEL = "channel and integration data"
    TECHNICAL = "technical and usage data"


class Retention(StrEnum):
    """How long a row stays (the privacy policy's section 8)."""

    ACCOUNT = "the account's life and 30 days"
    UNTIL_DELETED = "until its owner deletes it"
    DAYS_90 = "90 days"
    WHILE_VALID = "until it expires or is revoked"
    INSTALLATION = "as long as the installation"


@dataclass(frozen=True, slots=True)
class Held:
    """One table's declaration. Every column stands in exactly one of the three groups.

    Args:
        subject: path from a row to the person or team it is about, such as `identity.user`; empty if about nobody.
        sealed: columns with people's words or secrets, kept as AES-256-GCM blobs.
        personal: columns that say something about a person and stay readable to the database.
        technical: ids, states, times, counts.
    """

    category: Category
    subject: str
    retention: Retention
    sealed: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    technical: tuple[str, ...] = ()
