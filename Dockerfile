FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
COPY constraints.txt ./
RUN python -m venv /opt/prowex && /opt/prowex/bin/pip install -c constraints.txt uv
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY channels channels
COPY core core
COPY storage storage
COPY migrations migrations
RUN /opt/prowex/bin/uv pip install --python /opt/prowex/bin/python -c constraints.txt . \
    && /opt/prowex/bin/uv pip uninstall --python /opt/prowex/bin/python uv

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin prowex \
    && install -d -o prowex -g prowex -m 0700 /data /keys
COPY --from=build /opt/prowex /opt/prowex
ENV PATH=/opt/prowex/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PROWEX_DATA_DIR=/data \
    PROWEX_KEY_RING=/keys/keyring.json \
    PROWEX_HOST=0.0.0.0 \
    PROWEX_LOG_FORMAT=json
USER prowex
WORKDIR /data
VOLUME ["/data", "/keys"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["prowex", "status"]
ENTRYPOINT ["prowex"]
CMD ["run"]
