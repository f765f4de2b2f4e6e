"""The tables of the rules and decisions (METHOD section 8), in the manner of transforms/schemas.py."""

from transforms.rules.vocabulary import ACTIONS, ENGINES, OUTCOMES
from transforms.schemas import BOOL, DATE, I64, count, number, text
from transforms.table_schema import Column, Table

_SESSION = Column("session_date", DATE, "The New York trading day the row belongs to.", nullable=False)
