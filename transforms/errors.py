"""The errors a user can cause or mend. Each message says what, where, how many and what to do next."""


class AlvhError(Exception):
    """Root of every error this project raises on purpose."""


class UsageError(AlvhError):
    """The command or a setting cannot be carried out as written (exit code 2)."""


class DataError(AlvhError):
    """An input is wrong; the message names it and says what to do."""


class UnrecognizedFile(DataError):
    """No source recognizes the content of a file."""


class RefusedFile(DataError):
    """A source recognizes a file but cannot use it: what is missing is in the message."""


class SchemaMismatch(DataError):
    """A frame does not have the columns, types or keys of its table."""


class GateRefused(DataError):
    """A session gate refuses a whole table of a session."""


class LedgerBroken(DataError):
    """A ledger line does not carry the hash of the line before it."""


class StorageFailed(AlvhError):
    """The disk does not take or give back what this program stores; the message says where, why and what to do."""


class HomeLocked(AlvhError):
    """Another process holds the lock of this home."""


class HomeTooNew(AlvhError):
    """The home was written by a newer version of this program."""
