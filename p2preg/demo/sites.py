"""Where the demo's Media Nodes stand and what they say of themselves: nineteen data centres of real providers, and
attributes as an SFU operator would write them. The same seed makes the same fleet."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

AV1_SHARE = 0.6  # of the nodes; the others stop at VP9 or H264


@dataclass(frozen=True, slots=True)
class Site:
    """A data centre: its airport's code, and degrees north and east."""

    code: str
    region: str
    country: str
    city: str
    latitude: float
    longitude: float


# Ordered so that a small fleet is spread over the continents too.
SITES = (
    Site("ams", "eu-west", "NL", "Amsterdam", 52.31, 4.76),
    Site("iad", "us-east", "US", "Ashburn", 38.94, -77.46),
    Site("sin", "ap-southeast", "SG", "Singapore", 1.36, 103.99),
    Site("lhr", "eu-west", "GB", "London", 51.47, -0.45),
    Site("gru", "sa-east", "BR", "São Paulo", -23.43, -46.47),
    Site("sjc", "us-west", "US", "San Jose", 37.36, -121.93),
    Site("fra", "eu-central", "DE", "Frankfurt", 50.03, 8.57),
    Site("nrt", "ap-northeast", "JP", "Tokyo", 35.77, 140.39),
    Site("ord", "us-central", "US", "Chicago", 41.97, -87.91),
    Site("cdg", "eu-west", "FR", "Paris", 49.01, 2.55),
    Site("jnb", "af-south", "ZA", "Johannesburg", -26.14, 28.25),
    Site("bom", "ap-south", "IN", "Mumbai", 19.09, 72.87),
    Site("syd", "ap-southeast", "AU", "Sydney", -33.95, 151.18),
    Site("dfw", "us-central", "US", "Dallas", 32.90, -97.04),
    Site("arn", "eu-north", "SE", "Stockholm", 59.65, 17.92),
    Site("lax", "us-west", "US", "Los Angeles", 33.94, -118.41),
    Site("yyz", "ca-central", "CA", "Toronto", 43.68, -79.63),
    Site("qmx", "mx-central", "MX", "Mexico City", 19.43, -99.13),
    Site("ewr", "us-east", "US", "Newark", 40.69, -74.17),
)

_KINDS = ("sfu", "sfu", "sfu", "sfu", "sfu", "sfu", "sfu", "relay", "mcu", "recorder")
_SOFTWARE = (("livekit-server", "1.9.1"), ("mediasoup", "3.18.0"), ("janus", "1.3.2"), ("jitsi-videobridge", "2.3"))
_FEATURES = ("simulcast", "svc", "e2ee", "transcription", "whip", "recording")
_CORES = (4, 8, 16, 32)


def site_of(number: int) -> Site:
    """Where the Media Node with this number stands."""
    return SITES[number % len(SITES)]


def attributes_of(number: int, rng: Random) -> dict[str, Any]:
    """What the Media Node with this number says of itself, as `node.register` takes it."""
    site, cores = site_of(number), rng.choice(_CORES)
    host = f"{site.code}-{number:03}.media.example"
    name, version = rng.choice(_SOFTWARE)
    return {
        "kind": _KINDS[number % len(_KINDS)],
        "endpoints": [
            {"purpose": "signalling", "url": f"wss://{host}/rtc"},
            {"purpose": "cascade", "url": f"https://{host}:8443/cascade"},
        ],
        "region": site.region,
        "country": site.country,
        "city": site.city,
        "latitude": site.latitude,
        "longitude": site.longitude,
        "network_type": "datacenter",
        "software": {"name": name, "version": version},
        "codecs": _codecs(number, rng),
        "features": sorted(rng.sample(_FEATURES, rng.randint(1, 4))),
        "capacity": {"max_participants": cores * 50, "cores": cores, "uplink_bps": cores * 1_250_000_000},
        "labels": {"site": site.code, "tier": rng.choice(("gold", "silver"))},
    }


def _codecs(number: int, rng: Random) -> list[str]:
    """Everybody speaks Opus and VP8; the first node speaks AV1 too, so that there is one to find in any fleet."""
    codecs = ["audio/opus", "video/VP8", rng.choice(("video/H264", "video/VP9"))]
    if number == 0 or rng.random() < AV1_SHARE:
        codecs.append("video/AV1")
    return codecs


def load_of(attributes: dict[str, Any], load: float) -> dict[str, Any]:
    """The load object of a node with these attributes that is so full (1.0: full)."""
    participants = round(load * attributes["capacity"]["max_participants"])
    return {
        "load": round(load, 3),
        "cpu": round(load * 0.9, 3),
        "participants": participants,
        "rooms": participants // 6,
        "out_bps": participants * 4_000_000,
    }
