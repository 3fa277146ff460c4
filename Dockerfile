# One image for worker, server, Flower and sandbox: `docker run IMAGE worker`.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
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
# What builds stays behind: the next stage takes the environment without it.
RUN /opt/provision/bin/pip install --no-deps --no-build-isolation . \
    && /opt/provision/bin/pip uninstall --yes setuptools pip

FROM python:3.11-slim-bookworm
ENV PATH=/opt/provision/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROVISION_HOME=/var/lib/provision \
    PROVISION_HEARTBEATS=/run/provision
RUN groupadd --system --gid 10001 provision \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/provision provision \
    && install -d -m 0700 -o provision -g provision /var/lib/provision /run/provision
COPY --from=build /opt/provision /opt/provision
WORKDIR /var/lib/provision
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["provision"]
CMD ["--help"]
