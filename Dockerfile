# One image for worker, server, Flower and sandbox: `docker run IMAGE worker`.

# script/pin-images puts its digest here; docs/how-to/deploy.md says when.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
WORKDIR /src
COPY requirements-image.lock ./
RUN python -m venv /opt/provision \
    && /opt/provision/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY provisioning provisioning
COPY producers producers
COPY worker worker
COPY outcomes outcomes
COPY api api
COPY console console
COPY sandbox sandbox
# What builds stays behind: the next stage takes the environment without it. Bytecode by hash, not by time: the
# same sources give the same files.
RUN /opt/provision/bin/pip install --no-deps --no-build-isolation . \
    && /opt/provision/bin/pip uninstall --yes setuptools pip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/provision/lib

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/provision/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROVISION_HOME=/var/lib/provision \
    PROVISION_HEARTBEATS=/run/provision
# The base has no bytecode of the standard library, and nobody may write it later: a probe would compile what it
# imports each time.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/(test|tests|idlelib|lib2to3|site-packages|dist-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && groupadd --system --gid 10001 provision \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/provision provision \
    && install -d -m 0700 -o provision -g provision /var/lib/provision /run/provision
COPY --from=build /opt/provision /opt/provision
# Last, because each commit changes them.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="widget-provisioner" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.licenses="MIT"
WORKDIR /var/lib/provision
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["provision"]
CMD ["--help"]
