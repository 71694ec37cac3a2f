//! Guests that send requests: where they may, as whoever the configuration says, and no further.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use millstream_connector::Plugins;
use millstream_plugin::{Allowed, HttpAllowed, OriginPattern, PluginLimits, SocketPattern, WasmPlugins};
use serde_json::json;

use crate::http_server::{Answer, Authority, Server, reply};
use crate::support::{LIMITS, SOURCE, Worker, config, limits, plugins, plugins_with, source, task, texts};

const SECRET: &str = "open-sesame-4711";

/// What a poll says whose behaviour this is, under these settings.
async fn said(plugins: &WasmPlugins, behaviour: &str, settings: &[(&str, &str)]) -> String {
    let mut all = vec![("behaviour", behaviour)];
    all.extend_from_slice(settings);
    let mut source = source(plugins, &all).await;
    let polled = source.poll(LIMITS).await;
    match polled {
        Ok(batch) => texts(&batch.unwrap()).join("\n"),
        Err(error) => format!("fault: {error}"),
    }
}

async fn get(plugins: &WasmPlugins, url: &str, settings: &[(&str, &str)]) -> String {
    said(plugins, &format!("http GET {url}"), settings).await
}

#[tokio::test]
async fn a_request_goes_where_the_configuration_says_and_nowhere_else() {
    let plugins = plugins().await;
    let server = Server::start(|got| reply("200 OK", "", got.path())).await;
    let other = Server::start(|_| reply("200 OK", "", "other")).await;
    let url = server.url();
    assert_eq!(get(&plugins, &format!("{url}/a?b"), &[("url", &format!("{url}/${{topic}}"))]).await, "200 /a?b");
    let post = said(&plugins, &format!("http POST {url}/a hello"), &[("url", &url)]).await;
    assert_eq!((post.as_str(), server.last().body.as_slice()), ("200 /a", b"hello".as_slice()));
    assert_eq!(server.last().header("host"), Some(server.address.to_string().as_str()));
    let denied = |url: &str| format!("error: denied: no key of the configuration opens {url} for the plugin");
    assert_eq!(get(&plugins, &other.url(), &[("url", &url)]).await, denied(&other.url()));
    assert_eq!(get(&plugins, &url, &[]).await, denied(&url));
    assert_eq!(get(&plugins, &url, &[("url", "http://${topic}/")]).await, denied(&url), "a template opens nothing");
    let secure = url.replace("http:", "https:");
    assert_eq!(get(&plugins, &secure, &[("url", &url)]).await, denied(&secure));
    assert_eq!(other.connections.load(Ordering::Relaxed), 0);

    let only = HttpAllowed {
        origins: OriginPattern::parse("https://*.example.com").map(|pattern| [pattern].into()),
        ..HttpAllowed::default()
    };
    let strict = PluginLimits { allowed: Allowed { http: only, ..Allowed::default() }, ..limits() };
    let plugins = plugins_with(strict).await;
    let refused = get(&plugins, &url, &[("url", &url)]).await;
    assert!(refused.starts_with("error: denied: ") && refused.contains("(plugin.allow.http)"), "{refused}");
    let mut connector = plugins.connector(&SOURCE.into(), "odd", Worker::new()).await.unwrap();
    let settings = [("behaviour", "lines"), ("url", url.as_str())];
    let found = connector.validate(&config(&settings)).await.unwrap();
    let refused = found.iter().find(|(key, _)| key == "url").expect("the key is named");
    assert!(refused.1[0].contains("(plugin.allow.http): name a server that it allows"), "{refused:?}");
}

#[tokio::test]
async fn who_asks_is_added_by_the_host_and_never_seen_by_the_guest() {
    let plugins = plugins().await;
    let server = Server::start(|_| reply("200 OK", "", "welcome")).await;
    let url = server.url();
    let cases = [
        (
            vec![("auth", "basic"), ("user", "ali"), ("password", SECRET)],
            "authorization",
            "Basic YWxpOm9wZW4tc2VzYW1lLTQ3MTE=",
        ),
        (vec![("auth", "BEARER"), ("bearer", SECRET)], "authorization", "Bearer open-sesame-4711"),
        (vec![("auth", "api-key"), ("password", SECRET)], "x-api-key", SECRET),
        (vec![("headers", "X-Token: open-sesame-4711|X-Other:1")], "x-token", SECRET),
    ];
    for (mut settings, header, value) in cases {
        settings.push(("url", &url));
        assert_eq!(get(&plugins, &url, &settings).await, "200 welcome");
        assert_eq!(server.last().header(header), Some(value));
        // The guest's own word does not count where the host has one.
        said(&plugins, &format!("http headers {url}"), &settings).await;
        assert_eq!((server.last().header(header), server.last().header("x-mine")), (Some(value), Some("yes")));
    }
    let in_query = [("auth", "api_key"), ("password", SECRET), ("api.key.in", "query"), ("url", url.as_str())];
    get(&plugins, &format!("{url}/a?b=c"), &in_query).await;
    assert_eq!(server.last().path(), "/a?b=c&X-API-KEY=open-sesame-4711");

    let backwards: String = SECRET.chars().rev().collect();
    let hidden = ["password", "bearer", "headers", "proxy.password", "https.ssl.keystore.password"];
    let mut settings = vec![("url", url.as_str()), ("auth", "basic"), ("user", "u"), ("needle", &backwards)];
    settings.extend(hidden.map(|key| (key, if key == "headers" { "X-Token: open-sesame-4711" } else { SECRET })));
    for key in hidden {
        assert_eq!(said(&plugins, &format!("scan {key}"), &settings).await, r#"Some("[hidden]") false"#, "{key}");
    }
    // The scan finds what is there.
    settings.push(("secret", SECRET));
    assert_eq!(said(&plugins, "scan user", &settings).await, r#"Some("u") true"#);
}

#[tokio::test]
async fn task_configurations_get_the_secrets_back_that_the_connector_did_not_see() {
    let plugins = plugins().await;
    let mut connector = plugins.connector(&SOURCE.into(), "odd", Worker::new()).await.unwrap();
    connector.start(&config(&[("behaviour", "lines"), ("secret", "seen"), ("password", SECRET)])).await.unwrap();
    // The hostile guest copies what it knows; of the password it knows nothing.
    let tasks = connector.task_configs(1).await.unwrap();
    assert_eq!(tasks[0], config(&[("behaviour", "lines"), ("secret", "seen"), ("task", "0")]));
}

#[tokio::test]
async fn a_connection_is_used_again_and_answers_are_unpacked() {
    let plugins = plugins().await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all("more ".repeat(10_000).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let server = Server::start(move |got| match got.path() {
        "/packed" if got.header("accept-encoding") == Some("gzip") => {
            reply("200 OK", "Content-Encoding: gzip\r\n", &packed)
        }
        "/nothing" => Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        "/close" => Answer::Cut(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        other => reply("429 Too Many Requests", "Retry-After: 1\r\n", other),
    })
    .await;
    let url = server.url();
    let twice = |one: &str, two: &str| format!("http twice {url}{one} {url}{two}");
    let settings = [("url", url.as_str())];
    assert_eq!(said(&plugins, &twice("/packed", "/nothing"), &settings).await, "200 50000 bytes | 204 ");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
    assert_eq!(said(&plugins, &twice("/close", "/a"), &settings).await, "200 ok | 429 /a");
    assert_eq!(server.connections.load(Ordering::Relaxed), 3);
    // Packed, one answer of a few bytes may be as large as the memory.
    let small = [("url", url.as_str()), ("response.max", "49999")];
    let large = get(&plugins, &format!("{url}/packed"), &small).await;
    assert!(large.starts_with("error: too-large: the answer has more than 49999 bytes"), "{large}");
}

#[tokio::test]
async fn a_server_that_misbehaves_costs_a_request_and_no_more() {
    let plugins = plugins().await;
    let server = Server::start(|got| match got.path() {
        "/silent" => Answer::Stall(Vec::new()),
        "/cut" => Answer::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        "/hang-up" => Answer::Cut(Vec::new()),
        "/garbage" => Answer::Cut(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()),
        "/endless" => {
            Answer::Endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n".to_vec(), vec![b'x'; 1 << 16])
        }
        "/headers" => Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: and more\r\n".to_vec()),
        "/stalls" => Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        other => reply("500 Internal Server Error", "", other),
    })
    .await;
    let url = server.url();
    let settings = [("url", url.as_str()), ("request.ms", "300"), ("connect.ms", "200")];
    for (path, expected) in [
        ("/silent", "error: timeout: no answer from http://127.0.0.1:"),
        ("/cut", "error: cut: the connection ended within the answer"),
        ("/hang-up", "error: cut: the connection to http://127.0.0.1:"),
        ("/garbage", "error: cut: the connection to http://127.0.0.1:"),
        ("/endless", "error: too-large: the answer has more than 5000000 bytes"),
        ("/headers", "error: cut: the connection to http://127.0.0.1:"),
        ("/stalls", "error: timeout: nothing more of the answer came within 300 ms"),
        ("/500", "500 /500"),
    ] {
        let mut settings = settings.to_vec();
        settings.push(("response.max", "5000000"));
        let found = get(&plugins, &format!("{url}{path}"), &settings).await;
        assert!(found.starts_with(expected), "{path}: {found}");
    }
    let gone = { Server::start(|_| Answer::Stall(Vec::new())).await.url() };
    let found = get(&plugins, &gone, &[("url", &gone)]).await;
    assert!(found.starts_with("error: connect: connect to http://127.0.0.1:"), "{found}");
    let nowhere = "http://no-such-host.invalid";
    let found = get(&plugins, nowhere, &[("url", nowhere)]).await;
    assert!(found.starts_with("error: dns: look up no-such-host.invalid"), "{found}");
    let local = get(&plugins, &url, &[("url", &url), ("no.local", "true")]).await;
    assert!(local.contains("denied: ") && local.contains("local addresses are disallowed"), "{local}");
}

#[tokio::test]
async fn redirects_are_followed_by_choice_and_inside_of_what_keys_open() {
    let plugins = plugins().await;
    let other = Server::start(|_| reply("200 OK", "", "other")).await;
    let elsewhere = other.url();
    let server = Server::start(move |got| match got.path() {
        "/out" => reply("302 Found", &format!("Location: {elsewhere}/x\r\n"), ""),
        "/in" => reply("303 See Other", "Location: there?a=b\r\n", ""),
        "/keep" => reply("307 Temporary Redirect", "Location: /there\r\n", ""),
        "/round" => reply("302 Found", "Location: /round\r\n", ""),
        path => reply("200 OK", "", format!("{} {path} {}", &got.line[..4], got.body.len())),
    })
    .await;
    let url = server.url();
    let follow = [("url", url.as_str()), ("redirects", "true"), ("auth", "bearer"), ("bearer", SECRET)];
    assert_eq!(get(&plugins, &format!("{url}/in"), &[("url", &url)]).await, "303 ");
    assert_eq!(said(&plugins, &format!("http POST {url}/in body"), &follow).await, "200 GET  /there?a=b 0");
    assert_eq!(said(&plugins, &format!("http POST {url}/keep body"), &follow).await, "200 POST /there 4");
    assert_eq!(server.last().header("authorization"), Some("Bearer open-sesame-4711"));
    let out = get(&plugins, &format!("{url}/out"), &follow).await;
    assert!(out.starts_with("error: denied: no key of the configuration opens http://127.0.0.1:"), "{out}");
    assert_eq!(other.count(), 0);
    let round = get(&plugins, &format!("{url}/round"), &follow).await;
    assert_eq!(round, "error: cut: 10 redirects lead nowhere");
}

#[tokio::test]
async fn certificates_are_checked_and_shown() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let trust = authority.write(folder.path());
    let start = async |acceptor| Server::secure(acceptor, |_| reply("200 OK", "", "secret")).await;
    let good = start(authority.acceptor("127.0.0.1", false, false)).await;
    let expired = start(authority.acceptor("127.0.0.1", true, false)).await;
    let wrong = start(authority.acceptor("example.com", false, false)).await;
    let foreign = start(stranger.acceptor("127.0.0.1", false, false)).await;
    let asking = start(authority.acceptor("127.0.0.1", false, true)).await;
    let ask = async |server: &Server, more: &[(&str, &str)]| {
        let url = server.url().replace("http:", "https:");
        let mut settings = vec![
            ("url", url.as_str()),
            ("https.ssl.truststore.location", trust.as_str()),
            ("https.ssl.truststore.type", "PEM"),
        ];
        settings.extend_from_slice(more);
        get(&plugins, &url, &settings).await
    };
    assert_eq!(ask(&good, &[]).await, "200 secret");
    for (server, expected) in [(&expired, "expired"), (&wrong, "another host name"), (&foreign, "not signed by anyone")]
    {
        let found = ask(server, &[]).await;
        assert!(found.starts_with("error: tls: secure the connection to https://127.0.0.1:"), "{found}");
        assert!(found.to_lowercase().contains(&expected.to_lowercase()), "{expected}: {found}");
        assert_eq!(ask(server, &[("trust.all", "true")]).await, "200 secret");
    }
    let bare = ask(&asking, &[]).await;
    assert!(bare.starts_with("error: "), "{bare}");
    let (certificate, key) = authority.certificate("client", false);
    let store = folder.path().join("client.pem");
    std::fs::write(&store, format!("{certificate}{key}")).unwrap();
    let own = [("https.ssl.keystore.location", store.to_str().unwrap()), ("https.ssl.keystore.type", "PEM")];
    assert_eq!(ask(&asking, &own).await, "200 secret");
}

#[tokio::test]
async fn tokens_are_fetched_kept_and_fetched_again_when_they_are_refused() {
    let plugins = plugins().await;
    let server = Server::start(|got| match got.path() {
        "/token" if got.header("authorization") != Some("Basic aWQ6b3Blbi1zZXNhbWUtNDcxMQ==") => {
            reply("401 Unauthorized", "", json!({"error": "invalid_client", "hint": "x"}).to_string())
        }
        "/token" => {
            assert_eq!(got.body, b"grant_type=client_credentials");
            static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            reply("200 OK", "", json!({"access_token": format!("t{number}"), "expires_in": 3600}).to_string())
        }
        "/old" if got.header("authorization") == Some("Bearer t0") => reply("401 Unauthorized", "", ""),
        _ => reply("200 OK", "", got.header("authorization").unwrap_or("none")),
    })
    .await;
    let url = server.url();
    let token_url = format!("{url}/token");
    let settings =
        [("url", url.as_str()), ("auth", "oauth2"), ("token.url", &token_url), ("user", "id"), ("password", SECRET)];
    let twice = format!("http twice {url}/a {url}/b");
    assert_eq!(said(&plugins, &twice, &settings).await, "200 Bearer t0 | 200 Bearer t0");
    assert_eq!(server.count(), 3, "one token for both");
    // Another instance begins with a token of its own, t1; the one before is refused and replaced.
    let server_old = format!("http twice {url}/old {url}/old");
    assert_eq!(said(&plugins, &server_old, &settings).await, "200 Bearer t1 | 200 Bearer t1");
    let mut wrong = settings.to_vec();
    wrong[4].1 = "wrong";
    let refused = get(&plugins, &url, &wrong).await;
    let expected =
        format!("error: auth: Couldn't get OAuth2 access token: {url} answered 401 Unauthorized invalid_client");
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn a_proxy_passes_requests_on() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let trust = authority.write(folder.path());
    let secure = Server::secure(authority.acceptor("127.0.0.1", false, false), |_| reply("200 OK", "", "secret")).await;
    let behind: SocketAddr = secure.address;
    let proxy = Server::start(move |got| match got.header("proxy-authorization") {
        Some("Basic cDpvcGVuLXNlc2FtZS00NzEx") if got.line.starts_with("CONNECT ") => Answer::Tunnel(behind),
        Some("Basic cDpvcGVuLXNlc2FtZS00NzEx") => reply("200 OK", "", got.path()),
        _ => reply("407 Proxy Authentication Required", "", ""),
    })
    .await;
    let port = proxy.address.port().to_string();
    let plain = "http://orders.example.com/a";
    let secured = secure.url().replace("http:", "https:");
    let settings = |url: &'static str| vec![("url", url), ("proxy.host", "127.0.0.1"), ("proxy.user", "p")];
    let mut with = settings(plain);
    with.extend([("proxy.port", port.as_str()), ("proxy.password", SECRET)]);
    assert_eq!(get(&plugins, plain, &with).await, "200 http://orders.example.com/a");
    with[0].1 = &secured;
    with.extend([("https.ssl.truststore.location", trust.as_str()), ("https.ssl.truststore.type", "PEM")]);
    assert_eq!(get(&plugins, &secured, &with).await, "200 secret");
    with[4].1 = "wrong";
    let refused = get(&plugins, &secured, &with).await;
    assert!(refused.starts_with("error: proxy: reach https://127.0.0.1:") && refused.contains("407"), "{refused}");
}

#[tokio::test]
async fn a_guest_that_asks_for_too_much_hears_so_or_ends() {
    let http = HttpAllowed { requests: 8, request_max: 1 << 20, buffer_max: 3 << 19, ..HttpAllowed::default() };
    let allowed = Allowed { http, ..Allowed::default() };
    let plugins = plugins_with(PluginLimits { allowed, ..limits() }).await;
    let server =
        Server::start(|got| if got.path() == "/silent" { Answer::Stall(Vec::new()) } else { reply("200 OK", "", "") })
            .await;
    let url = server.url();
    let settings = [("url", url.as_str()), ("request.ms", "2000"), ("connections", "2")];
    let many = said(&plugins, &format!("http many 20 {url}/"), &settings).await;
    assert!(many.ends_with("; error: busy: 8 requests are under way (plugin.http.requests.max)"), "{many}");
    assert!(many.starts_with("8 of 20"), "{many}");
    let body = said(&plugins, &format!("http body {url}/ 1000000"), &settings).await;
    assert_eq!(body, "200 ");
    let endless = said(&plugins, &format!("http endless {url}"), &settings).await;
    let expected = "error: too-large: the request has more than 1048576 bytes (plugin.http.request.max.bytes)";
    assert_eq!(endless, expected);
    let leak = said(&plugins, &format!("http leak {url}/silent"), &settings).await;
    assert!(leak.contains("kept more than 1000 files and other objects of the host open"), "{leak}");
}

#[tokio::test]
async fn a_request_under_way_ends_when_the_task_is_asked_to_stop() {
    let plugins = plugins().await;
    let server = Server::start(|_| Answer::Stall(Vec::new())).await;
    let worker = Worker::new();
    let mut source = plugins.source_task(&SOURCE.into(), &task(), worker.clone()).await.unwrap();
    let behaviour = format!("http GET {}/", server.url());
    source.start(&config(&[("behaviour", &behaviour), ("url", &server.url())])).await.unwrap();
    let polling = tokio::spawn(async move { source.poll(LIMITS).await });
    let began = Instant::now();
    while server.count() == 0 && began.elapsed() < Duration::from_secs(20) {
        tokio::task::yield_now().await;
    }
    worker.stop();
    let ended = tokio::time::timeout(Duration::from_secs(20), polling).await.expect("it ends").unwrap();
    assert_eq!(texts(&ended.unwrap().unwrap()), ["error: stopping: the task is asked to stop"]);
}

#[tokio::test]
async fn sockets_lead_where_key_and_worker_say_and_are_closed_by_default() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let echo = format!("socket echo {address}");
    let closed = plugins().await;
    let refused = said(&closed, &echo, &[("server", &address)]).await;
    assert!(refused.starts_with("error: "), "{refused}");
    let mut connector = closed.connector(&SOURCE.into(), "odd", Worker::new()).await.unwrap();
    let found = connector.validate(&config(&[("behaviour", "lines"), ("server", &address)])).await.unwrap();
    assert!(found.iter().any(|(key, texts)| key == "server" && texts[0].contains("plugin.allow.sockets")), "{found:?}");
    let sockets = SocketPattern::parse("127.0.0.1:*").into_iter().collect();
    let open = plugins_with(PluginLimits { allowed: Allowed { sockets, ..Allowed::default() }, ..limits() }).await;
    assert_eq!(said(&open, &echo, &[("server", &address)]).await, "ping");
    let ungranted = said(&open, &echo, &[("server", "127.0.0.1:1")]).await;
    assert!(ungranted.starts_with("error: "), "{ungranted}");
    let listens = said(&open, "socket listen", &[("server", &address)]).await;
    assert!(listens.starts_with("error: "), "{listens}");
}
