//! The cells of a sweep: what a constraint sees of one, [`SweepCell`], and the server and load of
//! each, [`Planned`].

use perf_model::spec::file_name::is_file_name;
use perf_model::spec::load::{Arrivals, Length, OutputLength, Prompts};
use perf_model::spec::server::{Argument, Server};
use perf_model::spec::units::per_second;
use perf_model::sweep::axis::{Axis, Setting, number};

use crate::load::Load;

/// One cell, as a constraint sees it.
#[derive(Debug)]
pub struct SweepCell<'a> {
    axes: &'a [Axis],
    values: &'a [String],
    gpus: u8,
}

impl SweepCell<'_> {
    /// The value on an axis: `tp`, `dp`, `pp`, `ep`, `concurrency`, `rate`, `input`, `output`, or
    /// the flag of an engine argument. None if the sweep has no such axis.
    pub fn value(&self, axis: &str) -> Option<&str> {
        let setting = setting(axis);
        let at = self.axes.iter().position(|axis| axis.setting == setting)?;
        self.values.get(at).map(String::as_str)
    }

    /// The same as a number, if it is one.
    pub fn number(&self, axis: &str) -> Option<f64> {
        number(self.value(axis)?)
    }

    /// The GPUs that its server needs.
    pub fn gpus(&self) -> u8 {
        self.gpus
    }
}

/// What an axis is called on a command line, or the flag of an engine argument.
pub(crate) fn setting(name: &str) -> Setting {
    Setting::named(name).unwrap_or_else(|| Setting::Argument(name.to_owned()))
}

/// A cell that is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) values: Vec<String>,
    /// Its server, by its number among the servers of the sweep.
    pub(crate) server: usize,
    pub(crate) load: Load,
}

/// All cells, and the servers that they share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<Planned>,
    pub(crate) servers: Vec<Server>,
}

/// Every combination of the axes' values that no constraint leaves out, the first axis slowest.
pub(crate) fn plan(
    axes: &[Axis],
    server: &Server,
    load: &Load,
    keeps: impl Fn(&SweepCell<'_>) -> bool,
) -> Result<Plan, String> {
    let mut plan = Plan::default();
    for values in combinations(axes) {
        let server = server_of(server, axes, &values)?;
        if !keeps(&SweepCell { axes, values: &values, gpus: server.gpus }) {
            continue;
        }
        let known = plan.servers.iter().position(|there| *there == server);
        let at = known.unwrap_or_else(|| {
            plan.servers.push(server);
            plan.servers.len() - 1
        });
        let mut load = load_of(load, axes, &values);
        load.declared.name = name(plan.cells.len() + 1, axes, &values);
        plan.cells.push(Planned { values, server: at, load: load.finished() });
    }
    Ok(plan)
}

fn combinations(axes: &[Axis]) -> Vec<Vec<String>> {
    axes.iter().fold(vec![Vec::new()], |rows, axis| {
        let extended = |row: &Vec<String>, value: &String| {
            row.iter().cloned().chain([value.clone()]).collect::<Vec<String>>()
        };
        rows.iter()
            .flat_map(|row| axis.values.iter().map(move |value| extended(row, value)))
            .collect()
    })
}

fn server_of(server: &Server, axes: &[Axis], values: &[String]) -> Result<Server, String> {
    let mut server = server.clone();
    for (axis, value) in axes.iter().zip(values) {
        let Some(flag) = axis.setting.flag() else { continue };
        let argument = |value| Argument { flag: flag.to_owned(), value };
        match (&axis.setting, value.as_str()) {
            (Setting::ExpertParallel, "off") => {}
            (Setting::ExpertParallel, _) => server.set_argument(argument(None)),
            _ => server.set_argument(argument(Some(value.clone()))),
        }
    }
    if axes.iter().any(|axis| axis.setting.is_parallelism()) {
        let sizes = [Setting::TensorParallel, Setting::DataParallel, Setting::PipelineParallel];
        let size = |setting: Setting| {
            let there = server.arguments.iter().find(|there| Some(&*there.flag) == setting.flag());
            there.and_then(|there| there.value.as_deref()?.parse::<u8>().ok()).unwrap_or(1)
        };
        let gpus = sizes.into_iter().map(size).try_fold(1_u8, u8::checked_mul);
        server.gpus =
            gpus.ok_or_else(|| "a cell needs more than 255 GPUs; take values out".to_owned())?;
    }
    Ok(server)
}

fn load_of(load: &Load, axes: &[Axis], values: &[String]) -> Load {
    let mut load = load.clone();
    for (axis, value) in axes.iter().zip(values) {
        let count: u32 = value.parse().unwrap_or_default();
        let declared = &mut load.declared;
        match axis.setting {
            Setting::Concurrency => {
                declared.arrivals = match declared.arrivals {
                    Arrivals::Waves(_) => Arrivals::Waves(count),
                    _ => Arrivals::Concurrency(count),
                };
            }
            Setting::Rate => {
                let rate = per_second(number(value).unwrap_or_default());
                declared.arrivals = match declared.arrivals {
                    Arrivals::ConstantRate(_) => Arrivals::ConstantRate(rate),
                    Arrivals::Gamma { shape, .. } => Arrivals::Gamma { rate, shape },
                    _ => Arrivals::Poisson(rate),
                };
            }
            Setting::InputTokens => {
                declared.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(count) };
            }
            Setting::OutputTokens => declared.workload.output = OutputLength::Exactly(count),
            _ => {}
        }
    }
    load
}

/// The name of a cell's record: its number, and its values as far as a file's name may have them.
fn name(number: usize, axes: &[Axis], values: &[String]) -> String {
    let parts = axes.iter().zip(values).map(|(axis, value)| format!("{}-{value}", axis.setting));
    let text = parts.collect::<Vec<_>>().join("_");
    let allowed =
        |letter: char| if is_file_name(letter.encode_utf8(&mut [0; 4])) { letter } else { '-' };
    let text: String = text
        .chars()
        .map(|letter| if letter == '.' { '.' } else { allowed(letter) })
        .take(120)
        .collect();
    format!("{number:03}_{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vllm::Vllm;

    fn planned(axes: &[&str], keeps: impl Fn(&SweepCell<'_>) -> bool) -> Plan {
        let axes: Vec<Axis> = axes.iter().map(|axis| axis.parse().unwrap()).collect();
        let server = Vllm::under_test().model("m").arg("--max-model-len", 2048).server;
        plan(&axes, &server, &Load::new("load"), keeps).unwrap()
    }

    #[test]
    fn cells_of_one_server_configuration_share_it() {
        let plan = planned(&["--max-num-seqs=8,64", "concurrency=1,8,32"], |_| true);
        assert_eq!((plan.cells.len(), plan.servers.len()), (6, 2));
        let servers: Vec<usize> = plan.cells.iter().map(|cell| cell.server).collect();
        assert_eq!(servers, [0, 0, 0, 1, 1, 1]);
        let last = &plan.cells[5];
        assert_eq!(last.load.declared.arrivals, Arrivals::Concurrency(32));
        assert_eq!(last.load.declared.warmup, 32);
        assert_eq!(last.load.declared.name, "006_max-num-seqs-64_concurrency-32");
        let words = plan.servers[1].argument_words().join(" ");
        assert_eq!(words, "--max-model-len 2048 --max-num-seqs 64");
    }

    #[test]
    fn a_server_needs_as_many_gpus_as_its_parallel_sizes_multiply_to_and_constraints_see_them() {
        let plan = planned(&["tp=1,2,4,8", "dp=1,2,4,8"], |cell| {
            cell.gpus() <= 8 && cell.number("dp") != Some(2.0)
        });
        let gpus: Vec<u8> = plan.cells.iter().map(|cell| plan.servers[cell.server].gpus).collect();
        assert_eq!(gpus, [1, 4, 8, 2, 8, 4, 8]);
    }

    #[test]
    fn expert_parallelism_is_a_switch_and_lengths_and_rates_are_the_loads() {
        let plan = planned(&["ep=off,on", "input=32", "output=16", "rate=2.5"], |_| true);
        assert_eq!(plan.servers[0].argument_words().len(), 2);
        assert!(plan.servers[1].argument_words().contains(&"--enable-expert-parallel".to_owned()));
        assert_eq!(
            plan.cells[0].load.declared.describe(),
            "32 random tokens, exactly 16 output tokens, completions, streamed, temperature 0"
        );
        assert_eq!(plan.cells[0].load.declared.arrivals, Arrivals::Poisson(per_second(2.5)));
        assert!(is_file_name(&plan.cells[0].load.declared.name));
    }
}
