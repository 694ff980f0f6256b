# One image for each service: docker build --build-arg SERVICE=risk -t signalbox/risk:0.1.0 .
# SERVICE is the name of a folder under services/, or `simulators`, or `cli` (the `signalbox` command).

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/signalbox
COPY requirements/image.txt requirements/
RUN --mount=type=cache,target=/var/cache/pip pip install --quiet --require-hashes -r requirements/image.txt

# Third parties first: they change seldom, and this layer is kept until they do.
ARG SERVICE
COPY requirements/ requirements/
RUN --mount=type=cache,target=/var/cache/pip \
    case "$SERVICE" in cli) pinned=desk ;; *) pinned=$SERVICE ;; esac \
    && pip --python /opt/signalbox/bin/python install --quiet --no-compile --only-binary :all: --require-hashes \
        -r "requirements/$pinned.txt"

# Then our own. Compiled by content and not by time, so that the same code gives the same files.
COPY . .
RUN case "$SERVICE" in \
        cli) ours="./shared ./services/* ./simulators ./cli" package=signalbox_cli ;; \
        simulators) ours="./shared ./simulators" package=simulators ;; \
        *) ours="./shared ./services/$SERVICE" package=$(echo "$SERVICE" | tr - _) ;; \
    esac \
    && pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels $ours \
    && pip --python /opt/signalbox/bin/python install --quiet --no-compile --no-deps --no-index wheels/*.whl \
    && printf '#!/opt/signalbox/bin/python\nimport sys\nfrom %s.__main__ import main\nsys.exit(main())\n' "$package" \
        > /opt/signalbox/bin/service \
    && chmod 755 /opt/signalbox/bin/service \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/signalbox/lib

FROM python:3.12.12-slim-bookworm
ARG SERVICE
LABEL org.opencontainers.image.title="signalbox/${SERVICE}" \
      org.opencontainers.image.description="Signalbox, a trading desk of small services on NATS: ${SERVICE}" \
      org.opencontainers.image.version="0.1.0"
RUN groupadd --gid 10001 signalbox \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin signalbox \
    && install --directory --owner=10001 --group=10001 --mode=700 /run/secrets /data \
    # A new volume takes the owner of what it is mounted on. `cli` makes everyone's secrets, and the volumes of those
    # whose image is not ours.
    && if [ "$SERVICE" = cli ]; then \
        for name in alertmanager bootstrap gateway-dydx gateway-ibkr grafana indicators nats nats-people oms people \
            recorder registrar risk simulators; do \
            install --directory --owner=10001 --group=10001 --mode=700 "/run/secrets/$name"; \
        done; \
        for name in alertmanager grafana jetstream nats-people prometheus; do \
            install --directory --owner=10001 --group=10001 --mode=700 "/data/$name"; \
        done; \
    fi
COPY --from=build /opt/signalbox /opt/signalbox
ENV PATH=/opt/signalbox/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SIGNALBOX_HTTP_HOST=0.0.0.0 \
    SIGNALBOX_HTTP_PORT=8080 \
    SIGNALBOX_DESK_FILE=/etc/signalbox/desk.toml
USER 10001:10001
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=180s --retries=3 \
    CMD ["python", "-m", "signalbox.readiness", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["service"]
