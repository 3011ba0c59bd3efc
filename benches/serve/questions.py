"""A browser's request, and how each gateway asks about it.

The heads of nginx, Caddy and HAProxy are what those sent (1.22, 2.6 and 2.6, with the configurations of
examples/gateways) when they were asked for this page, but for host and scheme. Traefik's is Caddy's with the
fields that Traefik's source adds, and Envoy's has the fields that its sample configuration allows."""

HOST = "app.example.com"
URI = "/orders/42?page=2"

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "application/json",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "https://app.example.com/orders",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
}

FORWARDED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": HOST, "X-Forwarded-Proto": "https"}
ORIGINAL = {
    "X-Original-Method": "GET",
    "X-Original-Scheme": "https",
    "X-Original-Host": HOST,
    "X-Original-URI": URI,
}
ASKED = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": URI}
OF_ENVOY = ("Accept", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site")


def lower(headers):
    """wrk adds a Host of its own unless it finds one that is written so."""
    return {name if name == "Host" else name.lower(): value for name, value in headers.items()}


# Kind → path and headers, to which the cookie comes.
QUESTIONS = {
    "nginx": ("/check/nginx", {**ORIGINAL, "Host": HOST, **FORWARDED, **BROWSER}),
    "Caddy": ("/check/caddy", {"Host": HOST, **BROWSER, **FORWARDED, **ASKED}),
    "Traefik": (
        "/check/traefik",
        {"Host": HOST, **BROWSER, **FORWARDED, **ASKED, "X-Forwarded-Port": "443", "X-Forwarded-Server": "gw", "X-Real-Ip": "192.0.2.7"},
    ),
    "HAProxy": (
        "/check/haproxy",
        lower({**ORIGINAL, "Host": HOST, "X-Forwarded-For": "192.0.2.7", **{k: v for k, v in BROWSER.items() if k != "Accept-Encoding"}}),
    ),
    "Envoy": (
        f"/check/envoy{URI}",
        lower({"Host": HOST, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Content-Length": "0",
               **{name: BROWSER[name] for name in OF_ENVOY}}),
    ),
}
GRPC = "/envoy.service.auth.v3.Authorization/Check"
