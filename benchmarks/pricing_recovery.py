"""What a night recovers of a sample market's truth from the rounded quotes of the files it prints."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from flows.calendar import trading_calendar
from flows.cross_section import cross_section
from flows.sources import open_delivery, recognize
from transforms.pricing.implied_vol import implied_vol
from transforms.sample_market.chain import Chain, true_chain
from transforms.sample_market.market import SampleMarket, session_files
from transforms.schemas import INDEX_LEVEL, OPTION_ANALYTICS, OPTION_QUOTE, SLICE, TREASURY_RATE
from transforms.table_schema import Table

QUOTE_KEY = ["root", "expiration", "strike", "option_type"]
SLICE_KEY = ["root", "expiration"]


def read_table(name: str, payload: bytes, table: Table) -> pl.DataFrame:
    """Return the rows of one table that a vendor file holds; without rows if it holds none."""
    delivery = open_delivery(name, payload)
    frames = recognize(delivery).read(delivery, calendar=trading_calendar()).frames
    return frames[table.full_name] if table.full_name in frames else table.empty()


def true_slices(market: SampleMarket, row: int, chain: Chain) -> pl.DataFrame:
    """Return forward, discount factor and raw SVI parameters (null for VIX) of each slice of a simulated session.

    SSVI is raw SVI with a = theta*(1 - rho^2)/2, b = theta*phi/2, m = -rho/phi, sigma = sqrt(1 - rho^2)/phi (Gatheral
    and Jacquier 2014, section 4).
    """
    truth, path = chain.truth_eod, market.path
    rho, gamma = float(path.rho[row]), path.model.smile_gamma
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = float(path.eta[row]) * truth.theta**-gamma * (1.0 + truth.theta) ** (gamma - 1.0)
        columns = {
            "time_to_expiry": truth.years,
            "forward": truth.forward,
            "discount_factor": truth.discount_factor,
            "theta": truth.theta,
            "svi_a": 0.5 * truth.theta * (1.0 - rho**2),
            "svi_b": 0.5 * truth.theta * phi,
            "svi_rho": np.where(np.isnan(truth.theta), np.nan, rho),
            "svi_m": -rho / phi,
            "svi_sigma": np.sqrt(1.0 - rho**2) / phi,
        }
    keys = {"root": [item.root for item in chain.slices], "expiration": [item.expiration for item in chain.slices]}
    found = pl.DataFrame(keys | columns, schema_overrides={"expiration": pl.Date})
    return found.with_columns(pl.col(pl.Float64).fill_nan(None))


def true_vols(chain: Chain) -> pl.DataFrame:
    """Return the vol of every option's true price at its true forward, null where the price determines none."""
    truth, index = chain.truth_eod, chain.slice_index
    vols, _ = implied_vol(
        chain.true_eod,
        truth.forward[index],
        chain.strike / 1_000.0,
        time_to_expiry=truth.years[index],
        discount_factor=truth.discount_factor[index],
        is_call=chain.is_call,
    )
    keys = pl.DataFrame(
        {"root": [item.root for item in chain.slices], "expiration": [item.expiration for item in chain.slices]}
    )[index]
    return keys.with_columns(
        pl.Series("strike", chain.strike / 1_000.0),
        pl.Series("option_type", np.where(chain.is_call, "call", "put")),
        pl.Series("true_vol", vols).fill_nan(None),
    )


@dataclass(frozen=True)
class Recovered:
    """What a night makes of a simulated session's file, beside the truth.

    slices: feature.slice of live slices; truth of the same name ends in `_true`. options: those whose mid has a vol.
    """

    session: date
    slices: pl.DataFrame
    options: pl.DataFrame


def recovered(market: SampleMarket, row: int) -> Recovered:
    """Return a session of a sample market, priced from the file it prints without plants, beside its truth."""
    (file,) = session_files(replace(market, plants=()), row)
    quotes = read_table(file.name, file.payload, OPTION_QUOTE).filter(pl.col("snapshot_kind") == "close")
    frames = cross_section(
        quotes,
        rates=TREASURY_RATE.empty(),
        levels=INDEX_LEVEL.empty(),
        session=file.session_date,
        calendar=market.calendar,
    )
    chain = true_chain(market.path, row, calendar=market.calendar)
    slices = frames[SLICE].join(true_slices(market, row, chain), on=SLICE_KEY, suffix="_true", validate="1:1")
    options = frames[OPTION_ANALYTICS].join(true_vols(chain), on=QUOTE_KEY, validate="1:1")
    return Recovered(
        session=file.session_date,
        slices=slices.filter(pl.col("time_to_expiry") > 0.0),
        options=options.filter(pl.col("iv_status") == "ok"),
    )


def recovery_errors(found: Recovered) -> pl.DataFrame:
    """Return (root, expiration, quantity, error, kind) of one session: one row per slice or option and quantity.

    `kind` is SPX or VIX, weeklies included. Units are in the quantity's name; SVI parameters of VIX have no truth.
    """
    years, theta = pl.col("time_to_expiry"), pl.col("theta")
    rate = (pl.col("discount_factor_true") / pl.col("discount_factor")).log() / years
    of_slices = found.slices.select(
        *SLICE_KEY,
        (pl.col("forward") - pl.col("forward_true")).alias("forward, points"),
        (pl.col("discount_factor") - pl.col("discount_factor_true")).alias("discount factor"),
        (1e4 * rate).alias("zero rate, basis points"),
        (100.0 * (at_the_money_vol() - (theta / years).sqrt())).alias("smile at the money, vol points"),
        (pl.col("svi_a") / pl.col("svi_a_true") - 1.0).alias("SVI a, relative"),
        (pl.col("svi_b") / pl.col("svi_b_true") - 1.0).alias("SVI b, relative"),
        (pl.col("svi_rho") - pl.col("svi_rho_true")).alias("SVI rho"),
        ((pl.col("svi_m") - pl.col("svi_m_true")) / theta.sqrt()).alias("SVI m, in sqrt(w(0))"),
        (pl.col("svi_sigma") / pl.col("svi_sigma_true") - 1.0).alias("SVI sigma, relative"),
    )
    out = (pl.col("log_moneyness") >= 0.0) == (pl.col("option_type") == "call")
    central = out & pl.col("delta").abs().is_between(0.05, 0.55)
    of_mid, of_smile = (100.0 * (pl.col(name) - pl.col("true_vol")) for name in ("implied_vol_mid", "fitted_vol"))
    of_options = found.options.select(
        *SLICE_KEY,
        pl.when(out).then(of_mid).alias("vol of the mid, out of the money, vol points"),
        pl.when(central).then(of_mid).alias("vol of the mid, 5 to 55 delta, vol points"),
        pl.when(central).then(of_smile).alias("vol of the smile, 5 to 55 delta, vol points"),
    )
    long = [
        frame.unpivot(index=SLICE_KEY, variable_name="quantity", value_name="error")
        for frame in (of_slices, of_options)
    ]
    return pl.concat(long).drop_nulls("error").with_columns(pl.col("root").str.slice(0, 3).alias("kind"))


def at_the_money_vol() -> pl.Expr:
    """Return the fitted vol at the forward, decimal, from the columns of feature.slice: sqrt(w(0)/tau)."""
    root = (pl.col("svi_m") ** 2 + pl.col("svi_sigma") ** 2).sqrt()
    variance = pl.col("svi_a") + pl.col("svi_b") * (root - pl.col("svi_rho") * pl.col("svi_m"))
    return (variance / pl.col("time_to_expiry")).sqrt()


def error_distribution(errors: pl.DataFrame) -> pl.DataFrame:
    """Return count, median, 95th percentile and maximum of |error| by kind and quantity, in their first order."""
    size = pl.col("error").abs()
    return errors.group_by("kind", "quantity", maintain_order=True).agg(
        pl.len().alias("n"),
        size.median().alias("median"),
        size.quantile(0.95, "linear").alias("p95"),
        size.max().alias("max"),
    )
