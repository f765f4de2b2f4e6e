"""The tables of the rules and the decisions (METHOD section 8)."""

from transforms.table_schema import Column, Table
from transforms.tables.columns import BOOL, DATE, I64, count, number, text

_SESSION = Column("session_date", DATE, "The New York trading day the row belongs to.", nullable=False)

RULE_OUTCOMES = ("passed", "failed", "unknown", "informational")
DECISION_KINDS = (
    "stay_dormant", "open_condor", "activate_second_engine", "roll_second_engine", "widen_condor", "tighten_condor",
    "reduce", "close",
)  # fmt: skip

RULE_EVALUATION = Table(
    "mart", "rule_evaluation", "one row per session and rule", ("session_date", "rule"),
    (
        _SESSION,
        text("rule", "Name of the rule (docs/rules.md).", nullable=False),
        text("rule_version", "Hash of the rule's source and parameters.", nullable=False),
        number("measured", "Value judged, in the rule's own unit: decimal, points, ratio, sessions or a count; null if unknown or without a finite value."),
        text("comparison", "What measured must be of threshold for the rule to hold.", nullable=False, allowed=(">", "<", ">=", "<=")),
        number("threshold", "Bound, in the rule's own unit: decimal, points, ratio, sessions or a count; null if it needs a missing input."),
        number("distance", "How far measured is from threshold, in the rule's own unit (decimal, points, ratio, sessions or a count): positive while the rule holds; null as measured."),
        text("outcome", "passed (holds), failed (does not), unknown (an input is missing), informational (judged, but only advises).", nullable=False, allowed=RULE_OUTCOMES),
        Column("holds", BOOL, "Whether the comparison holds; null if unknown."),
        text("state", "What the rule says beyond its outcome: promoter or steward, bullish or bearish, tighten, flagged or none, close, reduce or hold; null for the others."),
        Column("advisory", BOOL, "True if the rule only advises: no decision hangs on it.", nullable=False),
        text("flip", "The smallest change of inputs that turns the rule over, JSON: input names and the values they would have together; null if unknown."),
        text("inputs", "Inputs read, JSON, in the units of docs/rules.md; a missing one is null.", nullable=False),
        text("reason", "The comparison in words, what is missing, or the position judged and why.", nullable=False),
    ),
)  # fmt: skip

RULE_VERSION = Table(
    "mart", "rule_version", "one row per rule and version", ("rule", "rule_version"),
    (
        text("rule", "Name of the rule (docs/rules.md).", nullable=False),
        text("rule_version", "Hash of the rule's source and parameters.", nullable=False),
        text("label", "The parameters of the version.", nullable=False),
        Column("valid_from", DATE, "First session judged by the version.", nullable=False),
    ),
    partition="none", session_column=None,
)  # fmt: skip

DECISION = Table(
    "mart", "decision", "one row per session and decision", ("session_date", "decision_id"),
    (
        _SESSION,
        text("decision_id", "Hash of session, decision, engine and position.", nullable=False),
        text("decision", "What is done; stay_dormant if nothing is, for the reason given.", nullable=False, allowed=DECISION_KINDS),
        text("engine", "condor (first engine) or second.", nullable=False, allowed=("condor", "second")),
        text("position_id", "Position changed; null for a new one or none."),
        count("contracts", "Packages to trade, contracts; 0 for stay_dormant.", nullable=False),
        number("limit_price", "Limit of one package, points, rounded to the tick; positive if received, null for stay_dormant."),
        number("expected_cost", "Cost of all packages after fees, dollars; negative if received; null if not known or stay_dormant."),
        number("max_loss_change", "Change of the maximum loss of the book, dollars; null if not known or stay_dormant."),
        number("gamma_change", "Change of the book's gamma, delta per index point; null if not known or stay_dormant."),
        number("loss_before_credit", "Most that a structure of several expirations, where one is opened, is modelled to owe before its credit, dollars; null for others.", low=0.0),
        number("funded", "Part of an adjustment's cost that the second engine's ledger pays, dollars; null for other decisions or if not known."),
        number("unfunded", "Part of an adjustment's cost that it cannot pay, dollars; null for other decisions or if not known."),
        text("binding_limit", "Limit that kept the contracts from being more; null if not given or stay_dormant."),
        text("reason", "Outcome and reason of each rule cited; what was called for and not possible.", nullable=False),
        text("rules", "Rules cited, comma-separated.", nullable=False),
    ),
)  # fmt: skip

DECISION_LEG = Table(
    "mart", "decision_leg", "one row per leg of a decision's package", ("session_date", "decision_id", "leg"),
    (
        _SESSION,
        text("decision_id", "The decision.", nullable=False),
        Column("leg", I64, "Number of the leg in its package: 1, 2, ...", nullable=False, low=1),
        text("instrument", "option or future.", nullable=False, allowed=("option", "future")),
        text("root", "Class of the instrument.", nullable=False),
        Column("expiration", DATE, "Printed expiration day.", nullable=False),
        number("strike", "Strike, index points; null for a future.", low=0.0),
        text("option_type", "call or put; null for a future.", allowed=("call", "put")),
        text("side", "buy or sell.", nullable=False, allowed=("buy", "sell")),
        Column("quantity", I64, "Contracts of the leg in one package.", nullable=False, low=1),
        number("limit_price", "The leg's part of the package limit, points; null if not given.", low=0.0),
    ),
)  # fmt: skip

RULE_TABLES = (RULE_EVALUATION, RULE_VERSION, DECISION, DECISION_LEG)
