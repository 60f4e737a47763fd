//! The estimate of a whole input, by band of required length.

use agentwrite::config::{Limits, TextConfig};
use agentwrite::estimate::{Assumptions, Band, Bounds, Forecast, Forecaster, Totals};
use agentwrite::plan::Plan;
use agentwrite::sample::Input;

use crate::fault::Fault;

/// What a run would take.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// Bands that have samples, from short to long.
    pub bands: Vec<(Band, Totals)>,
    /// All samples.
    pub all: Totals,
    /// What was taken for granted.
    pub assumptions: Assumptions,
    /// The limits, with the price if there is one.
    pub limits: Limits,
}

impl Outlook {
    /// Reckons. `plan_of` gives the plan of the input at a place, where there is one already.
    pub fn of<'a>(
        config: &TextConfig,
        assumptions: Assumptions,
        limits: Limits,
        inputs: &[&Input],
        plan_of: impl Fn(usize) -> Option<&'a Plan>,
    ) -> Result<Self, Fault> {
        let forecaster = Forecaster::new(config, assumptions)
            .map_err(|error| Fault::usage("prompt_template", "a prompt cannot be used").because(error))?;
        let forecasts: Vec<(Band, Forecast)> = inputs
            .iter()
            .enumerate()
            .map(|(at, input)| (Band::of(input), forecaster.sample(input, plan_of(at))))
            .collect();
        let of_band = |band: Band| {
            let total: Totals = forecasts.iter().filter(|(of, _)| *of == band).map(|(_, forecast)| forecast).collect();
            (band, total)
        };
        Ok(Self {
            bands: Band::ALL.into_iter().map(of_band).filter(|(_, total)| total.samples > 0).collect(),
            all: forecasts.iter().map(|(_, forecast)| forecast).collect(),
            assumptions,
            limits,
        })
    }

    /// Nano-USD, the good end and the bad one; none without a price.
    pub fn spend(&self) -> Option<(u64, u64)> {
        self.limits.price.map(|price| self.all.spend(&price, &self.assumptions))
    }

    /// What bounds the time.
    pub fn bounds(&self) -> Bounds {
        self.all.bounds(&self.limits)
    }
}
