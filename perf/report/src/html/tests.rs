//! A page as its reader meets it: what comes first, what is folded, that nothing is loaded, that
//! charts are not empty and have names, and how large it is.

use perf_model::analysis::run_shape::RunShape;
use perf_model::fixtures;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::record::chunks::Chunk;
use perf_model::record::file::{End, Header, ServerCounts};
use perf_model::record::gpu_reading::{GpuReading, POWER_CAP};
use perf_model::record::part::Part;
use perf_model::record::sample::Sample;
use perf_model::record::server_counts::KvReading;
use perf_model::record::start_up::StartUp;

use super::*;
use crate::testing;

/// A run of so many requests, each with 32 tokens.
fn shape(requests: u32) -> RunShape {
    let mut shape = RunShape::default();
    for index in 0..requests {
        let begin = u64::from(index) * 20_000;
        let at_us = |token: u64| begin + 30_000 + token * (9_000 + u64::from(index % 97) * 31);
        let sample = Sample {
            index,
            intended_us: begin,
            sent_us: begin + 10,
            chunks: (0..32).map(|token| Chunk { at_us: at_us(token), tokens: 1 }).collect(),
            end_us: at_us(32),
            output_tokens: Some(32),
            ..fixtures::sample()
        };
        shape.add(&sample);
    }
    // Two GPUs, read ten times a second from a second before the load on, of which one becomes hot.
    for at in 0..u64::from(requests) / 5 + 20 {
        for gpu in 0..2 {
            let is_hot = gpu == 1 && (20..24).contains(&at);
            shape.add_gpu(&GpuReading {
                gpu,
                at_us: at * 100_000,
                power_mw: Some(300_000 + at % 7 * 1_000),
                sm_mhz: Some(if is_hot { 1_200 } else { 1_980 }),
                busy_percent: Some(97),
                slowed_by: Some(if is_hot { 0x40 } else { POWER_CAP }),
                ..GpuReading::default()
            });
        }
    }
    let kv_use = (0..u64::from(requests).min(240))
        .map(|at| KvReading { at_us: at * 20_000, used_ppm: 2_000 * at })
        .collect();
    let server = Some(ServerCounts { kv_use, ..ServerCounts::default() });
    shape.finish(&End { gpu_clock_us: Some(1_000_000), server, ..End::default() });
    shape
}

fn shapes(reports: &[SuiteReport], requests: u32) -> Vec<LoadShape> {
    let gathered = shape(requests);
    let start_up = Some(StartUp {
        total_s: Some(22.3),
        launch_s: Some(6.1),
        weights_s: Some(9.5),
        ..StartUp::default()
    });
    reports
        .iter()
        .flat_map(|report| &report.loads)
        .map(|load| {
            let mut header = Header::of(&fixtures::load(), &load.suite, fixtures::fingerprint());
            (header.load, header.start_up) = (load.load.clone(), start_up);
            let mut shape = LoadShape::of(&header);
            shape.add(&header, gathered.clone());
            header.part = Part::Base;
            shape.add(&header, gathered.clone());
            shape
        })
        .collect()
}

fn page(reports: &[SuiteReport], requests: u32) -> String {
    let request = testing::request();
    let run = Overview { reports, request: Some(&request), is_complete: true };
    let logs = [Log { name: "s/start-1/server.log".into(), text: "INFO </pre><script>".into() }];
    let shapes = shapes(reports, requests);
    html(&Page { run, name: "0012", shapes: &shapes, sweeps: &[fixtures::sweep()], logs: &logs })
}

/// The text between two marks, for every pair of them.
fn between<'a>(page: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    page.split(from).skip(1).filter_map(|rest| rest.split(to).next()).collect()
}

#[test]
fn the_first_line_is_the_result_and_the_second_what_to_do() {
    let page = page(&testing::VERDICTS.map(testing::suite), 50);
    let body = page.split("<body>").nth(1).unwrap();
    assert_eq!(between(body, "<h1>", "</h1>"), ["REGRESSED: 1 of 9 guards, 1 improved"]);
    let next = between(body, "<p class=\"next\">", "</p>")[0];
    assert!(
        next.starts_with("Next: to accept the loss, run <code>cargo xtask perf refresh awq"),
        "{next}"
    );
    let first_row = between(body, "<tbody>", "</tr>")[0];
    assert!(
        first_row.contains("REGRESSED") && first_row.contains("-6.2 % (-7.4 to -5.0 %)"),
        "{first_row}"
    );
}

#[test]
fn failures_come_first_and_open_and_what_held_is_folded() {
    let page = page(&[Verdict::Held, Verdict::Regressed].map(testing::suite), 50);
    let loads = between(&page, "<details class=\"load\"", ">");
    assert!(loads[0].contains("awq-regressed") && loads[0].ends_with(" open"), "{loads:?}");
    assert!(loads[1].contains("awq-held") && !loads[1].contains("open"), "{loads:?}");
}

#[test]
fn every_verdict_has_a_page_without_a_script_or_a_request() {
    for reports in testing::every_verdict() {
        let page = page(&reports, 50);
        for word in ["<script", "javascript:", "src=", "@import", "url(", "<iframe"] {
            assert!(!page.contains(word), "{word} in the page of {}", reports[0].verdict);
        }
        let links = between(&page, "href=\"", "\"");
        assert!(
            links.iter().all(|link| link.starts_with("data:") || link.starts_with('#')),
            "{links:?}"
        );
        let ids: Vec<&str> = between(&page, " id=\"", "\"");
        for link in links.iter().filter_map(|link| link.strip_prefix('#')) {
            assert!(ids.contains(&link), "no place is called {link}: {ids:?}");
        }
    }
}

#[test]
fn every_chart_has_a_name_a_sentence_marks_and_data() {
    let page = page(&[testing::suite(Verdict::Regressed)], 200);
    let charts = between(&page, "<figure class=\"chart\">", "</figure>");
    // Dots, three distributions, gaps, six courses, a start-up; and of the sweep a front, lines, maps.
    assert!(charts.len() >= 15, "{}", charts.len());
    for chart in charts {
        let said = between(chart, "<desc>", "</desc>");
        assert!(said.len() == 1 && said[0].len() > 8, "{chart}");
        assert!(chart.contains("role=\"img\" aria-label=\"") && chart.contains("<figcaption>"));
        let marks = ["<circle", "<path class=\"line", "class=\"bar\"", "class=\"heat\""];
        assert!(marks.iter().any(|mark| chart.contains(mark)), "an empty chart: {chart}");
        assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        let data = between(chart, "data:text/csv;charset=utf-8,", "\"")[0];
        assert!(data.matches("%0A").count() >= 2, "{data}");
    }
}

#[test]
fn the_course_is_that_of_the_judged_start_also_where_records_of_a_duet_come_first() {
    let mut header = Header::of(&fixtures::load(), "s", fixtures::fingerprint());
    let mut all = LoadShape::of(&header);
    header.part = Part::Candidate;
    all.add(&header, shape(5));
    header.part = Part::Judged;
    all.add(&header, shape(50));
    header.start = 2;
    all.add(&header, shape(10));
    assert_eq!(all.now.timeline, shape(50).timeline);
    let ttft = all.now.latency(perf_model::spec::metric::Quantity::Ttft).unwrap();
    assert_eq!(ttft.total(), 65);
}

#[test]
fn a_page_of_a_sweep_alone_says_how_many_cells_were_measured() {
    let run = Overview { reports: &[], request: None, is_complete: true };
    let sweeps = [fixtures::sweep()];
    let page = html(&Page { run, name: "0012", shapes: &[], sweeps: &sweeps, logs: &[] });
    let said = between(&page, "<h1>", "</h1>")[0];
    assert!(said.starts_with("sweep ") && said.contains(" cells measured"), "{said}");
    assert!(!page.contains("What to do next is not known"));
}

#[test]
fn the_course_of_a_load_has_the_kv_cache_and_the_gpus_over_the_same_time() {
    let page = page(&[testing::suite(Verdict::Regressed)], 200);
    let titles: Vec<&str> = between(&page, "<figcaption>", "</figcaption>");
    let courses: Vec<&&str> =
        titles.iter().filter(|title| title.ends_with(", first engine start")).collect();
    insta::assert_debug_snapshot!(courses);
    let charts = between(&page, "<figure class=\"chart\">", "</figure>");
    let of = |title: &str| *charts.iter().find(|chart| chart.contains(title)).unwrap();
    let clock = of("SM clock, the slowest GPU");
    assert!(clock.contains("<rect class=\"slowed\"") && clock.contains("slowed down by heat"));
    assert!(clock.contains("<rect class=\"capped\"") && clock.contains("at its power cap"));
    assert!(clock.contains(",slowed%0A") && clock.contains(",capped%0A"), "{clock}");
    assert!(of("GPU power").contains("At most 611.0 W."), "{}", of("GPU power"));
    let axis = |title: &str| between(of(title), "<line class=\"axis\"", ">")[0].to_owned();
    assert_eq!(axis("KV cache in use"), axis("Requests in flight"));
}

#[test]
fn names_and_logs_are_text() {
    let mut report = testing::suite(Verdict::Regressed);
    report.loads[0].load = "<img src=x>\"'".into();
    let page = page(&[report], 50);
    assert!(!page.contains("<img") && page.contains("&lt;img src=x&gt;"));
    assert!(page.contains("INFO &lt;/pre&gt;&lt;script&gt;"));
}

#[test]
fn a_suite_of_40_guards_is_below_2_megabytes() {
    let page = page(&[testing::large(40)], 2_000);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("cumulative</figcaption>").count(), 120);
}

#[test]
fn of_many_loads_only_the_first_have_charts_of_their_records_and_the_page_says_so() {
    let page = page(&[testing::large(200)], 50);
    assert_eq!(page.matches("TTFT, cumulative</figcaption>").count(), CHARTED);
    assert!(page.contains("Only the first 60 loads have charts"));
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}
