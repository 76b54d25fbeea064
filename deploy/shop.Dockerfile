# syntax=docker/dockerfile:1
# The PHP shop as such shops run: php-fpm (target php) behind nginx (target front).
FROM php:8.3-fpm-alpine AS php
RUN adduser -D -H -u 10001 shop && install -d -o shop -g shop /data
COPY legacy_stub /srv/shop
COPY deploy/php-fpm.conf /etc/techflow/php-fpm.conf
ENV TECHFLOW_DATA=/data SHOP_FPM=127.0.0.1:9000 SHOP_USER=shop
USER 10001:10001
VOLUME /data
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/srv/shop/container-start"]
CMD ["php-fpm", "--nodaemonize", "--fpm-config", "/etc/techflow/php-fpm.conf"]

FROM nginx:1.28-alpine AS front
COPY legacy_stub/public /srv/shop/public
# The image fills in the variables when it starts.
COPY deploy/shop.conf.template /etc/nginx/templates/default.conf.template
ENV SHOP_LISTEN=127.0.0.1:8081 SHOP_FPM=127.0.0.1:9000 SHOP_ROOT=/srv/shop
CMD ["nginx", "-g", "daemon off;"]
