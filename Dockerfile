# The daemon, its operator page and its workers in one image; CPU only.
#
#   docker build -t adaptd:0.1.0 .

# Any Debian-based image that has python3 (3.11 or newer) with venv and a certificate store.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS build

# torch from PyPI brings CUDA, which is several gigabytes larger. For a CUDA image, name another
# index here, such as https://download.pytorch.org/whl/cu130.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN python3 -m venv /opt/adaptd
ENV PATH=/opt/adaptd/bin:$PATH

WORKDIR /src
# torch has a layer of its own: it changes seldom and takes longest.
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "${TORCH_INDEX}" torch

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY adaptd adaptd
# With the driver of PostgreSQL, which replicas keep their rows in.
RUN pip install --no-cache-dir --constraint constraints.txt ".[postgres]"


FROM ${BASE}

# Numeric, so that Kubernetes can check runAsNonRoot without looking into the image.
RUN groupadd --gid 10001 adaptd \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/adaptd \
        --shell /usr/sbin/nologin adaptd \
    && install --directory --owner=10001 --group=10001 /var/lib/adaptd

COPY --from=build /opt/adaptd /opt/adaptd
# Without a file of your own mounted here, the container runs the generated stream.
COPY configs/quickstart.yaml /etc/adaptd/config.yaml

# The root may be read-only: only /var/lib/adaptd (state) and /tmp (caches) are written.
ENV PATH=/opt/adaptd/bin:$PATH \
    HOME=/var/lib/adaptd \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# `state_directory: state` in the configuration is /var/lib/adaptd/state.
WORKDIR /var/lib/adaptd
VOLUME ["/var/lib/adaptd"]
USER 10001:10001

# Metrics and probes. The operator page listens on the container's loopback only.
EXPOSE 9464
STOPSIGNAL SIGTERM

# The port is metrics.port; override this check where the configuration names another one.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]

ENTRYPOINT ["adaptd"]
CMD ["run", "-c", "/etc/adaptd/config.yaml"]
