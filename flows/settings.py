"""alvh.toml and the environment, read once, frozen.

An environment variable ALVH__SECTION__KEY outranks the file. Secrets never live here: they are environment variables or
Prefect blocks of their own.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from flows.engine_settings import (
    AccountSettings,
    BookSettings,
    CondorSection,
    DecisionSettings,
    FeeSettings,
    RuleSettings,
    SecondEngineSection,
    Section,
    rule_parameters,
)
from flows.home import Home
from flows.settings_errors import shown, wrong_setting
from flows.sources import SOURCE_MODULES
from transforms.errors import UsageError
from transforms.rules.rule import Parameters

ENVIRONMENT_PREFIX = "ALVH__"
# No variable's name can hold this character.
NO_ENVIRONMENT = "="
WEB_ADDRESS = r"^https?://\S+$"
# Sections that decide numbers; a change of the others is no break in a series.
COMPUTING = (
    "sources", "indicators", "gates", "mispricing", "account", "fees", "condor", "second_engine", "rules", "decisions",
    "book",
)  # fmt: skip


class SourceSettings(Section):
    """Which source is believed where two files hold the same key."""

    order: tuple[str, ...] = Field(default=SOURCE_MODULES, description="Sources, most trusted first.")


class IndicatorSettings(Section):
    """METHOD sections 2 and 3."""

    roll_days_before_expiry: int = Field(
        1, ge=1, le=10, description="Sessions before expiration at whose close the front month is rolled."
    )
    mean_reversion_window: int = Field(252, ge=60, le=2520, description="Sessions of the AR(1) window.")
    mean_reversion_draws: int = Field(200, ge=50, le=5000, description="Bootstrap draws for the half-life interval.")
    curve_series: Literal["ratio", "raw"] = Field(
        "ratio", description="ratio: 60-day/30-day constant maturity - 1; raw: the contango ratio (disputed)."
    )
    breadth_exchange: Literal["NYSE", "NYSE_CONSTITUENTS"] = Field(
        "NYSE", description="Whose advances and declines are used."
    )


class GateSettings(Section):
    """Session gates: what refuses a whole chain."""

    min_two_sided_share: float = Field(0.50, ge=0, le=1, description="Least share of quotes with a bid and an offer.")
    max_contradicting_share: float = Field(
        0.01, ge=0, le=1, description="Largest share of quotes that no one market can have shown together."
    )
    min_row_share: float = Field(0.60, ge=0, le=1, description="Least share of the median rows of sessions before.")
    min_expiration_share: float = Field(
        0.60, ge=0, le=1, description="Least share of the median expiration count of the sessions before."
    )
    history_sessions: int = Field(20, ge=5, le=120, description="Sessions the medians look back over.")
    min_history: int = Field(5, ge=1, le=60, description="Sessions with data below which a median gate is skipped.")
    unchanged_sessions: int = Field(3, ge=2, le=20, description="Run of equal index closes that is suspect.")


class MispricingSettings(Section):
    """METHOD section 5."""

    option_fee_per_contract: float = Field(1.50, ge=0, le=10, description="Fee of an option contract, dollars a side.")
    box_threshold: float = Field(0.0060, ge=0, le=0.05, description="Least a box must lend above Treasury, decimal.")
    vx_bound_tolerance: float = Field(0.30, ge=0, le=5, description="Points of VIX by which the Jensen bound may fail.")
    residual_window: int = Field(60, ge=20, le=250, description="Sessions before whose residuals are usual.")
    min_z: float = Field(3.0, ge=1, le=10, description="Deviations at which a misfit is a finding.")


class PublishSettings(Section):
    """What is served."""

    serving_sessions: int = Field(
        60, ge=1, le=2000, description="Sessions of quotes kept in alvh.duckdb; parquet holds all."
    )
    report_nights: int = Field(
        1, ge=0, le=250, description="Pages made of nights that are new in one publication, newest first; 0 makes none."
    )
    catch_up_sessions: int = Field(20, ge=1, le=250, description="Nights one `alvh run` makes up at most.")


class StorageSettings(Section):
    """Where workers on other hosts find files; a folder or s3://bucket/prefix each. Read from alvh.toml alone."""

    landing: str | None = Field(None, description="Raw files; landing/ of the home if not set.")
    staging: str | None = Field(None, description="What workers hand to the writer; staging/ of the home if not set.")
    published_copy: str | None = Field(None, description="Where published/ is copied after each publication.")


class FeedSettings(Section):
    """Where `alvh fetch` downloads from, and how politely."""

    option_chain: str = Field("https://cdn.cboe.com/api/global/delayed_quotes/options", pattern=WEB_ADDRESS)
    vx_contract: str = Field(
        "https://cdn.cboe.com/data/us/futures/market_statistics/historical_data/VX", pattern=WEB_ADDRESS
    )
    index_history: str = Field("https://cdn.cboe.com/api/global/us_indices/daily_prices", pattern=WEB_ADDRESS)
    treasury: str = Field(
        "https://home.treasury.gov/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv",
        pattern=WEB_ADDRESS,
    )
    vx_weeklies: bool = Field(False, description="Whether weekly VX contracts are downloaded too.")
    fetch_in_nightly: bool = Field(False, description="Whether a night downloads before it reads the inbox.")
    min_seconds_between_requests: float = Field(0.5, ge=0, le=60)
    timeout_seconds: float = Field(30, gt=0, le=600)
    max_attempts: int = Field(4, ge=1, le=10)


class AlertSettings(Section):
    """Who is told, through blocks of the Prefect server: their addresses and secrets stay in the blocks."""

    blocks: tuple[str, ...] = Field(
        (), description="Blocks as type/name: custom-webhook/desk, slack-webhook/desk, email-server-credentials/desk."
    )
    on: tuple[Literal["decision", "refused", "failed"], ...] = Field(
        ("decision", "refused", "failed"), description="A decision to trade, data refused, a run that failed."
    )
    email_from: str | None = Field(None, description="Sender of what goes through a mail server's block.")
    email_to: tuple[str, ...] = Field((), description="Its recipients.")


class RetentionSettings(Section):
    """What `alvh prune` drops, in days; landing and ledger are never dropped."""

    revisions_days: int = Field(90, ge=0, le=36_500)
    reports_days: int = Field(730, ge=0, le=36_500)
    logs_days: int = Field(90, ge=0, le=36_500)


class Settings(BaseSettings):
    """Everything a user can set."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    sources: SourceSettings = SourceSettings()
    indicators: IndicatorSettings = IndicatorSettings()
    gates: GateSettings = GateSettings()
    mispricing: MispricingSettings = MispricingSettings()
    account: AccountSettings = AccountSettings()
    fees: FeeSettings = FeeSettings()
    condor: CondorSection = CondorSection()
    second_engine: SecondEngineSection = SecondEngineSection()
    rules: RuleSettings = RuleSettings()
    decisions: DecisionSettings = DecisionSettings()
    book: BookSettings = BookSettings()
    publish: PublishSettings = PublishSettings()
    storage: StorageSettings = StorageSettings()
    feeds: FeedSettings = FeedSettings()
    alerts: AlertSettings = AlertSettings()
    retention: RetentionSettings = RetentionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment outrank the file, whose content comes in as keyword arguments."""
        return env_settings, init_settings

    def rule_parameters(self) -> dict[str, Parameters]:
        """Return the parameters of every rule, by rule name."""
        return rule_parameters(self.rules, roll_days_before_expiry=self.indicators.roll_days_before_expiry)

    def computing(self) -> dict[str, Any]:
        """Return the settings that decide numbers: a change of feeds, serving or retention is no break in a series."""
        return self.model_dump(mode="json", include=set(COMPUTING))

    @property
    def sha256(self) -> str:
        """Hash of the settings that decide numbers."""
        return hashlib.sha256(json.dumps(self.computing(), sort_keys=True).encode()).hexdigest()


def read_settings(home: Home) -> Settings:
    """Read alvh.toml (absent: all defaults) and the environment.

    Raises
    ------
    UsageError
        Naming each wrong key, its value and what is allowed.
    """
    where = home.settings_file
    content = settings_file_content(home)
    settings = _validated(content, where=str(where), prefix=ENVIRONMENT_PREFIX)
    unknown = [name for name in settings.sources.order if name not in SOURCE_MODULES]
    if unknown or len(set(settings.sources.order)) < len(settings.sources.order):
        raise UsageError(
            f"{where}: sources.order = {shown(settings.sources.order)}: each name once, of {', '.join(SOURCE_MODULES)}"
        )
    return settings


def settings_from(content: dict[str, Any], *, where: str) -> Settings:
    """Return settings as they were recorded, whatever the environment says now; `where` is named in errors."""
    return _validated(content, where=where, prefix=NO_ENVIRONMENT)


def _validated(content: dict[str, Any], *, where: str, prefix: str) -> Settings:
    known = {name: value for name, value in content.items() if name in Settings.model_fields}
    # Handed on, a name like _env_file would change how settings are read.
    wrong: list[Mapping[str, Any]] = [
        {"loc": (name,), "input": value, "type": "extra_forbidden", "msg": "there is no such section"}
        for name, value in content.items()
        if name not in known
    ]
    cause = None
    try:
        settings = Settings(**known, _env_prefix=prefix)
    except ValidationError as error:
        wrong, cause = [*wrong, *error.errors()], error
    except SettingsError as error:
        raise UsageError(
            f"an environment variable that begins with {prefix} cannot be read ({error}): set single keys, like "
            f"{prefix}PUBLISH__SERVING_SESSIONS=60, or a whole section as JSON"
        ) from error
    if wrong:
        lines = [wrong_setting(issue, model=Settings, prefix=prefix) for issue in wrong]
        raise UsageError(f"{where}: {len(lines)} wrong settings\n" + "\n".join(lines)) from cause
    return settings


def settings_file_content(home: Home) -> dict[str, Any]:
    """Return alvh.toml as it is parsed; nothing if there is none.

    Raises
    ------
    UsageError
        If it cannot be read or is no TOML.
    """
    path = home.settings_file
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
