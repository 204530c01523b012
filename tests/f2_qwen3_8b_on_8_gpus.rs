//! Qwen3-8B on 8 GPUs: TP × DP × `--max-num-batched-tokens`, 40 cells of which 4 do not start.
//!
//! A field report, as a sweep: which setting is the best for throughput, the first token, smoothness
//! and balance. Its "tokens/sec" is of one request, evidently: 30 tok/s and 31 s for the whole
//! answer. Its load is not named; the one here has the mean length that follows from these two. Its
//! figures stand beside the measured ones, and decide nothing.

use perf::prelude::*;
use perf_model::analysis::statistics::median;
use perf_model::sweep::analysis::Analysis;
use perf_model::sweep::report::SweepReport;

/// The published change of the throughput of one request from 4096 to 73728, in percent.
const CHANGES: [([u8; 2], f64); 9] = [
    ([1, 1], -0.74),
    ([1, 2], -6.11),
    ([1, 4], -3.41),
    ([1, 8], -0.68),
    ([2, 1], -4.14),
    ([2, 2], -11.07),
    ([2, 4], -8.32),
    ([4, 1], 1.23),
    ([4, 2], -14.48),
];

fn sweep() -> Sweep {
    let rate = || request_output_rate().mean();
    let sweep = Sweep::new("f2-qwen3-8b")
        .server(
            Vllm::under_test()
                .model("Qwen3-8B")
                .arg("--max-model-len", 16_384)
                .simulated_as("qwen3-8b-8gpus"),
        )
        .load(
            Load::new("load")
                .prompts(random_tokens(8_192))
                .output_tokens(exactly_of(uniform(512, 1_332)))
                .arrivals(concurrent(32))
                .requests(48),
        )
        .tensor_parallel([1, 2, 4, 8])
        .data_parallel([1, 2, 4, 8])
        .argument("--max-num-batched-tokens", [4_096, 20_480, 40_960, 73_728])
        .only(|cell| cell.gpus() <= 8)
        .goal("throughput", rate())
        .goal("first token", ttft().p50())
        .goal("smoothness", itl().p50())
        .goal("whole answer", e2e().p50())
        // "The best overall balance of throughput and latency."
        .balance_of("balance", [rate().into(), e2e().p50().into()])
        .published([2, 4, 4_096], rate().was(29.90))
        .published([2, 4, 4_096], e2e().p50().was(millis(30_840.69)))
        .published([1, 8, 4_096], rate().was(28.67))
        .published([1, 8, 4_096], ttft().p50().was(millis(1_081.40)))
        .published([2, 2, 40_960], rate().was(24.75))
        .published([2, 2, 40_960], itl().p50().was(millis(24.85)));
    CHANGES.iter().fold(sweep, |sweep, (sizes, change)| {
        sweep.published_change("--max-num-batched-tokens", *sizes, rate(), *change)
    })
}

#[test]
fn qwen3_8b_on_eight_gpus() -> perf::Result {
    let outcome = sweep().run()?;
    if let Some(report) = outcome.simulated() {
        assert_as_published(report);
    }
    outcome.done()
}

/// What the profile must reproduce: the best cells, the ranking that was published, the sign of each
/// change, and the cells that do not start.
fn assert_as_published(report: &SweepReport) {
    let page = perf_report::terminal::sweep_page(report);
    let analysis = Analysis::of(report);
    assert_eq!(report.counts(), (36, 4, 0), "{page}");
    for cell in report.cells.iter().filter(|cell| !cell.is_measured()) {
        assert_eq!(cell.values[..2], ["8", "1"], "{page}");
        assert!(
            cell.reason().is_some_and(|reason| reason.starts_with("failed to start")),
            "{page}"
        );
    }
    let best: Vec<String> = analysis
        .rankings
        .iter()
        .map(|ranking| report.cells[ranking[0].cell].values.join(" "))
        .collect();
    assert_eq!(best, ["2 4 4096", "1 8 4096", "2 2 40960", "2 4 4096", "2 4 4096"], "{page}");

    // 29.90, then "the second-best" 29.08 of TP=4, DP=2, then 28.67, and 24.75 of the smoothest.
    let place = |values: &str| {
        let is_it = |place: &usize| {
            report.cells[analysis.rankings[0][*place].cell].values.join(" ") == values
        };
        (0..36).find(is_it).unwrap_or_else(|| panic!("{values} is not in the ranking\n{page}"))
    };
    let places = [place("2 4 4096"), place("4 2 4096"), place("1 8 4096"), place("2 2 40960")];
    assert_eq!(places[..2], [0, 1], "{page}");
    assert!(places.is_sorted(), "{places:?}\n{page}");

    let along_tokens = &analysis
        .sensitivities
        .iter()
        .find(|one| one.axis == 2 && one.figure.metric == request_output_rate().mean().into());
    let rows = &along_tokens.unwrap_or_else(|| panic!("no changes\n{page}")).rows;
    assert_eq!(rows.len(), 9, "{page}");
    for row in rows {
        let published =
            report.published_change(2, row.cells.0, request_output_rate().mean().into());
        let published = published.unwrap_or_else(|| panic!("not published: {row:?}\n{page}"));
        assert!(row.change * published > 0.0, "{row:?} against {published}\n{page}");
    }
    // More replicas, a sooner first token: "for TTFT, higher DP values are significantly better".
    let ttft_at = |dp: &str| {
        let of_dp =
            report.cells.iter().filter(|cell| cell.values[1] == dp && cell.values[2] == "4096");
        let figure = perf_model::sweep::goal::Figure::of(ttft().p50().into());
        median(&of_dp.filter_map(|cell| cell.value(figure)).collect::<Vec<f64>>())
            .unwrap_or(f64::NAN)
    };
    assert!(
        ttft_at("8") < ttft_at("4") && ttft_at("4") < ttft_at("2") && ttft_at("2") < ttft_at("1"),
        "{page}"
    );
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    insta::assert_snapshot!(page);
}
