"""wrk's report is read as it is printed, errors included."""

from __future__ import annotations

import pytest

from bench.processes import HarnessError
from bench.wrk import parse_report

GOOD = """Running 3s test @ http://127.0.0.1:45991/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.25ms  371.04us  13.20ms   87.21%
    Req/Sec    51.34k     3.92k   55.51k    93.33%
  Latency Distribution
     50%    1.18ms
     75%    1.39ms
     90%  970.00us
     99%    2.02s
  153217 requests in 3.00s, 172.13MB read
Requests/sec:  51041.12
Transfer/sec:     57.34MB
"""

BAD = """Running 1s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00      -nan%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  7 requests in 1.00m, 0.00B read
  Socket errors: connect 64, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:      0.12
Transfer/sec:       0.00B
"""


def test_a_report_gives_requests_time_and_percentiles_in_seconds() -> None:
    report = parse_report(GOOD)

    assert (report.requests, report.seconds, report.errors) == (153217, 3.0, 0)
    assert report.latency == pytest.approx({50: 1.18e-3, 75: 1.39e-3, 90: 0.97e-3, 99: 2.02})
    assert report.per_second == pytest.approx(51072.33, abs=0.01)


def test_socket_errors_and_bad_statuses_are_all_errors() -> None:
    report = parse_report(BAD)

    assert report.errors == 64 + 2 + 3 + 4 + 5
    assert report.seconds == 60.0


def test_anything_else_is_not_a_report() -> None:
    with pytest.raises(HarnessError, match="unable to connect"):
        parse_report("unable to connect to 127.0.0.1:1 Connection refused")
