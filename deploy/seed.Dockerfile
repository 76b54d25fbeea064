# syntax=docker/dockerfile:1
# Gives an empty Unleash the shop's flags and webhooks, once.
FROM python:3.13-slim-bookworm AS seed
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin seed
COPY deploy/__init__.py /srv/deploy/__init__.py
COPY deploy/unleash/__init__.py deploy/unleash/admin.py deploy/unleash/seed.py /srv/deploy/unleash/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
USER 10001:10001
ENTRYPOINT ["python", "-m", "deploy.unleash.seed"]
