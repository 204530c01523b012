//! How the load of a server with several engines was spread over them: [`remark`].

use crate::record::finding::{Finding, FindingCode};
use crate::record::rank_counts::RankCounts;

/// The most ranks that are listed one by one.
const LISTED: usize = 16;

/// The requests and tokens of each rank; absent where the server has one.
pub(crate) fn remark(ranks: &[RankCounts]) -> Option<Finding> {
    if ranks.len() < 2 {
        return None;
    }
    let spans_servers = ranks.iter().any(|rank| rank.server > 0);
    let line = |rank: &RankCounts| {
        let server = if spans_servers { format!("server {} ", rank.server) } else { String::new() };
        format!("{server}{}: {} requests, {} tokens", rank.engine, rank.requests, rank.tokens())
    };
    let mut lines: Vec<String> = ranks.iter().take(LISTED).map(line).collect();
    if ranks.len() > LISTED {
        lines.push(format!("and {} more in the record", ranks.len() - LISTED));
    }
    let line = format!("data-parallel ranks: {}", lines.join("; "));
    Some(Finding::new(FindingCode::LoadByRank, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rank_is_listed_with_its_requests_and_tokens() {
        let rank = |server, engine, requests| RankCounts {
            requests,
            output_tokens: requests * 8,
            prompt_tokens: 2,
            ..RankCounts::of(server, engine)
        };
        let said = |ranks: &[RankCounts]| remark(ranks).map(|it| it.message).unwrap_or_default();
        assert_eq!(said(&[rank(0, 0, 4)]), "");
        assert_eq!(
            said(&[rank(0, 0, 4), rank(0, 1, 5)]),
            "data-parallel ranks: 0: 4 requests, 34 tokens; 1: 5 requests, 42 tokens"
        );
        assert!(said(&[rank(0, 0, 4), rank(1, 0, 5)]).contains("server 1 0: 5 requests"));
        let many: Vec<RankCounts> = (0..20).map(|engine| rank(0, engine, 1)).collect();
        assert!(said(&many).ends_with("and 4 more in the record"));
    }
}
