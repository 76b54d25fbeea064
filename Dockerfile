# syntax=docker/dockerfile:1
# Figway: docker build -t figway .
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/figway
# The dependencies first: this layer stays when only the code changes.
COPY pyproject.toml ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['unleash'], sep='\n')" > requirements.txt \
    && /opt/figway/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
COPY README.md LICENSE figway_pytest.py ./
COPY proxy proxy
COPY flags flags
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/figway/bin/pip install --quiet --disable-pip-version-check --no-deps .

FROM python:3.13-slim-bookworm AS base
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin figway \
    && install -d -o figway -g figway /var/lib/figway /etc/figway /etc/figway/flags
COPY --from=build /opt/figway /opt/figway
ENV PATH=/opt/figway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /etc/figway
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# The admin listener stays inside: docker exec CONTAINER figway status
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9900/livez', timeout=2)"]
ENTRYPOINT ["figway"]
CMD ["serve", "--config", "/etc/figway/routes.yaml", "--flags", "/etc/figway/flags/flags.yaml", "--state-dir", "/var/lib/figway", "--listen", "0.0.0.0:8080", "--admin", "127.0.0.1:9900", "--workers", "2"]

# With the shop's own routes and flags inside: what deploy/compose.yaml runs.
FROM base AS techflow
COPY --chown=10001:10001 routes.yaml /etc/figway/routes.yaml
COPY --chown=10001:10001 flags/flags.yaml /etc/figway/flags/flags.yaml

# Without any: mount yours at /etc/figway.
FROM base AS figway
