# syntax=docker/dockerfile:1
# The catalog service.
FROM python:3.13-slim-bookworm AS build
RUN python -m venv /opt/catalog
# The same lines as in pyproject.toml; a test compares them.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/catalog/bin/pip install --quiet --disable-pip-version-check "aiohttp>=3.14.3,<4" "pydantic>=2.12,<3"

FROM python:3.13-slim-bookworm AS catalog
# The same number as the shop's user: both open the shop's database in the shared volume.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin catalog \
    && install -d -o catalog -g catalog /data /var/lib/catalog
COPY --from=build /opt/catalog /opt/catalog
COPY new_services /srv/new_services
ENV PATH=/opt/catalog/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CATALOG_DATABASE=/var/lib/catalog/catalog.sqlite CATALOG_FOLLOW=/data/shop.sqlite
WORKDIR /srv
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8101/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "new_services.catalog"]
CMD ["serve", "--host", "127.0.0.1", "--port", "8101"]
