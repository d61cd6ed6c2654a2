"""Formula 1: what one stream's numbers are worth, 0 to 100 000 milli-points, and the mean opinion score of a rating.

The E-model of ITU-T G.107 as simplified by Cole and Rosenbluth (2001) for delay, with the saturating loss term that
G.107 has for packet loss (Ie 0, Bpl 10). Integers throughout, so two registries never differ in the last digit; the
definition for other implementations is docs/qos.md. Resolution and frame rate are not known here and not judged."""

from __future__ import annotations

from p2preg.qos.sample import Kind

FORMULA = 1
RATING_BEST = 93_200_000  # micro-points: a perfect narrow-band connection in G.107's simplified form
BUFFER_US = 10_000  # the least a jitter buffer and a codec add to one way
KNEE_US = 177_300  # one-way delay from which talk suffers
LOSS_WORST = 95_000_000  # micro-points lost when every packet is
LOSS_HALF_PPM = 100_000  # Bpl: at 10 % loss half of them are gone
SCORE_MAX_MP = 100_000

# Below these a stream is starved, whoever asks: Opus begins at 6 kbit/s (RFC 6716), and browsers aim at about 150
# for their smallest simulcast layer, 320x180. What a stream should have is not reported, so more earns nothing.
BITRATE_NEEDED_BPS: dict[Kind, int] = {"audio": 6_000, "video": 150_000}
HALVING_MP = 13_863  # 20 ln 2, the price of half the bitrate in LiveKit's score


def rating_mp(round_trip_time_us: int, jitter_us: int, fraction_lost_ppm: int) -> int:
    """The transmission rating R in milli-points. Delay one way is half the round trip, twice the jitter, a buffer."""
    twice_delay = round_trip_time_us + 4 * jitter_us + 2 * BUFFER_US  # doubled, so that the half stays an integer
    delay = 12 * twice_delay + 55 * max(0, twice_delay - 2 * KNEE_US)  # 0.024 d + 0.11 (d - 177.3) in milliseconds
    loss = LOSS_WORST * fraction_lost_ppm // (fraction_lost_ppm + LOSS_HALF_PPM)
    return min(max((RATING_BEST - delay - loss + 500) // 1_000, 0), SCORE_MAX_MP)


def bitrate_score_mp(kind: Kind, bitrate_bps: int) -> int:
    """Full marks down to what `kind` needs, then 13.863 points less each time it halves (straight in between)."""
    needed = BITRATE_NEEDED_BPS[kind]
    if bitrate_bps >= needed:
        return SCORE_MAX_MP
    if bitrate_bps == 0:
        return 0
    halvings = (needed // bitrate_bps).bit_length() - 1
    halved = bitrate_bps << halvings  # halved <= needed < 2 halved
    return max(0, SCORE_MAX_MP - HALVING_MP * halvings - HALVING_MP * (needed - halved) // halved)


def quality_mp(
    kind: Kind,
    round_trip_time_us: int | None,
    jitter_us: int | None,
    fraction_lost_ppm: int | None,
    bitrate_bps: int | None,
) -> int:
    """The lesser of the two, so that no good number hides a bad one. What was not measured takes nothing away."""
    rating = rating_mp(round_trip_time_us or 0, jitter_us or 0, fraction_lost_ppm or 0)
    return rating if bitrate_bps is None else min(rating, bitrate_score_mp(kind, bitrate_bps))


def mos_milli(score_mp: int) -> int:
    """The mean opinion score in thousandths, 1 000 to 4 500. The cubic dips below 1 near R = 3: hence the clamp."""
    cubic = 7 * score_mp * (score_mp - 60_000) * (100_000 - score_mp) // 1_000_000_000
    return min(max((1_000_000 + 35 * score_mp + cubic + 500) // 1_000, 1_000), 4_500)
