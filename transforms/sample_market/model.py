"""The parameters of the sample market, with what each was set against.

Rates are per year of the variance clock (clock.py), in which an average calendar year has length 1.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MarketModel:
    """Constants of the data-generating process.

    The at-the-money forward variance at horizon s is the two-factor exponential curve
    f(s) = floor + (mean(s) - floor) * exp(fast * e^(-fast_reversion * s) + slow * e^(-slow_reversion * s))
    (Bergomi, "Smile Dynamics II", 2005), and spot moves with `realized_share` of f(0), plus jumps that also lift
    `fast`.
    """

    start_spot: float = 5600.0
    # Before the compensation of jumps: log spot gains about 7% a year.
    spot_drift: float = 0.135
    # Mean at-the-money forward variance now and far out: VIX near 19, an upward curve most days.
    variance_floor: float = 0.0030
    near_variance: float = 0.0182
    far_variance: float = 0.0470
    variance_horizon: float = 0.40
    realized_share: float = 0.95
    fast_reversion: float = 12.0
    fast_volatility: float = 2.70
    slow_reversion: float = 0.60
    slow_volatility: float = 1.10
    spot_fast_correlation: float = -0.79
    spot_slow_correlation: float = -0.62
    jump_rate: float = 2.0
    jump_mean: float = -0.023
    jump_deviation: float = 0.021
    jump_fast_lift: float = 0.40
    # Log multiplier of the volatility of volatility; follows the same shocks as `fast`.
    vol_of_vol_reversion: float = 12.0
    vol_of_vol_volatility: float = 1.00
    vol_of_vol_fast_correlation: float = 0.75
    # SSVI: phi(theta) = eta * theta^-gamma * (1 + theta)^(gamma - 1), eta = smile_share * 2 / (1 + |rho|).
    smile_correlation: float = -0.74
    smile_correlation_deviation: float = 0.025
    smile_gamma: float = 0.50
    smile_share: float = 0.88
    smile_share_deviation: float = 0.90
    smile_reversion: float = 10.0
    # Two-lognormal mixture of VIX at an expiration, relative to VX.
    vix_up_weight: float = 0.25
    vix_up_shift: float = 0.45
    vix_up_scale: float = 1.25
    vix_down_scale: float = 0.78
    vix_volatility_premium: float = 1.05
    # Rates and dividends.
    long_rate: float = 0.043
    short_rate: float = 0.040
    rate_reversion: float = 0.3
    rate_volatility: float = 0.006
    option_rate_spread: float = 0.003
    dividend_yield: float = 0.0125


DEFAULT_MODEL = MarketModel()
