//! Calls of the server in process: [`post`] and [`get`].

#![allow(dead_code, reason = "each test file uses its own part")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use perf_clock::Clock;
use perf_sim::{Injection, Options, SimServer, profile};
use tower::ServiceExt;

/// A server of this profile with these arguments.
pub(crate) fn options(name: &str, line: &str) -> Options {
    Options {
        profile: profile(name).unwrap(),
        args: line.split_whitespace().map(String::from).collect(),
        model: "/model".into(),
        seed: 1,
        injection: Injection::default(),
    }
}

/// A server on the tiny profile.
pub(crate) async fn tiny(args: &str, injection: &str, clock: Clock) -> SimServer {
    let options = Options {
        profile: profile("tiny-cpu").unwrap(),
        args: args.split_whitespace().map(String::from).collect(),
        model: "/models/tiny".into(),
        seed: 3,
        injection: injection.parse::<Injection>().unwrap(),
    };
    SimServer::start(options, clock).await.unwrap()
}

/// Any request.
pub(crate) async fn call(router: Router, method: &str, path: &str, body: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    router.oneshot(request).await.unwrap()
}

/// A POST request with a JSON body.
pub(crate) async fn post(router: Router, path: &str, body: &str) -> Response<Body> {
    call(router, "POST", path, body).await
}

/// A GET request.
pub(crate) async fn get(router: Router, path: &str) -> Response<Body> {
    call(router, "GET", path, "").await
}

/// The whole body as text.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
