"""The log's tables. Leaves, nodes and checkpoints are append-only; of an account only its secret may ever be erased.

`entry` has an index of this slice too, `entry_by_transaction`: a BRIN over the number of the transaction, which no
model field holds. Keys of several columns are composite in the database; the model marks the first.
"""

from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

HASH_BYTES = 32


class LogAccount(Model):
    """Under which pseudonym an account stands in the log. Primary key (member_id, currency).

    `secret` makes the salts of the account's trace digests; an erasure drops it, and nobody can check them any more.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    currency = fields.CharField(max_length=20)
    pseudonym: bytes = fields.BinaryField()
    secret: bytes | None = fields.BinaryField(null=True)

    class Meta:
        table = "log_account"
        constraints = [
            UniqueConstraint(fields=("pseudonym",), name="log_account_pseudonym_unique"),
            CheckConstraint(name="log_account_pseudonym_has_16_bytes", check="octet_length(pseudonym) = 16"),
            CheckConstraint(name="log_account_secret_has_32_bytes", check="octet_length(secret) = 32"),
        ]


class LogLeaf(Model):
    """A leaf of the tree: which entry stands at `index` (from 0), the leaf's hash, the digest of the trace."""

    index: int = fields.BigIntField(primary_key=True, generated=False)
    member_id: UUID = fields.UUIDField()
    currency = fields.CharField(max_length=20)
    seq: int = fields.BigIntField()
    hash: bytes = fields.BinaryField()
    trace_digest: bytes = fields.BinaryField()

    class Meta:
        table = "log_leaf"
        constraints = [
            UniqueConstraint(fields=("member_id", "currency", "seq"), name="log_leaf_once_per_entry"),
            CheckConstraint(name="log_leaf_index_not_negative", check="index >= 0"),
            CheckConstraint(
                name="log_leaf_hashes_have_32_bytes",
                check="octet_length(hash) = 32 AND octet_length(trace_digest) = 32",
            ),
        ]


class LogNode(Model):
    """The root of a complete subtree of `2^level` leaves, on every fourth level. Primary key (level, index)."""

    level: int = fields.SmallIntField(primary_key=True, generated=False)
    index: int = fields.BigIntField()
    hash: bytes = fields.BinaryField()

    class Meta:
        table = "log_node"
        constraints = [
            CheckConstraint(name="log_node_level_kept", check="level > 0 AND level % 4 = 0"),
            CheckConstraint(name="log_node_hash_has_32_bytes", check="octet_length(hash) = 32"),
        ]


class LogCheckpoint(Model):
    """A signed head of the tree: its text is a C2SP checkpoint, `key` the Ed25519 public key that verifies it."""

    id: int = fields.BigIntField(primary_key=True, generated=True)
    origin = fields.TextField()
    size: int = fields.BigIntField()
    root: bytes = fields.BinaryField()
    text = fields.TextField()
    key: bytes = fields.BinaryField()
    at: datetime = fields.DatetimeField()

    class Meta:
        table = "log_checkpoint"
        constraints = [
            UniqueConstraint(fields=("origin", "size"), name="log_checkpoint_once_per_size"),
            CheckConstraint(name="log_checkpoint_size_positive", check="size > 0"),
            CheckConstraint(
                name="log_checkpoint_root_and_key_have_32_bytes",
                check="octet_length(root) = 32 AND octet_length(key) = 32",
            ),
        ]


class LogCursor(Model):
    """Where the builder looks next: a hint, of which there is one row. What is logged is what has a leaf.

    Transaction numbers count within the cluster that `system_identifier` names. While `rebasing_after` is set the
    builder walks through the accounts, by member, instead.
    """

    id: int = fields.SmallIntField(primary_key=True, generated=False)
    system_identifier: int = fields.BigIntField()
    next_xid: int = fields.BigIntField()
    rebasing_after: UUID | None = fields.UUIDField(null=True)

    class Meta:
        table = "log_cursor"
        constraints = [CheckConstraint(name="log_cursor_is_one_row", check="id = 1")]
