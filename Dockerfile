FROM python:3.13-slim AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
# Without pip of its own: the image needs none, and this one can install into it.
RUN python -m venv --without-pip /opt/venv && python -m venv /opt/build
WORKDIR /src
# The dependencies first, so that a change of the code alone does not install them again; each file is what its hash says.
COPY deploy/constraints.txt deploy/build-constraints.txt deploy/
RUN python -m pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --require-hashes -r deploy/constraints.txt \
 && /opt/build/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r deploy/build-constraints.txt \
    # Half of what the wheels bring is debug information and the C sources of what they hold compiled.
 && find /opt/venv -name '*.so' -exec strip --strip-debug {} + \
 && find /opt/venv -regextype egrep -regex '.*\.(c|cpp|h|pyx|pxd|pxi)' -delete
COPY pyproject.toml LICENSE README.md ./
COPY crawler crawler
COPY config config
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -w dist . \
 && python -m pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --no-deps --no-index dist/*.whl

FROM python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="crawler" \
      org.opencontainers.image.description="A polite, fast, resumable web crawler that keeps everything it learns in one folder" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="python:3.13-slim" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/venv /opt/venv
# The root file system may be read-only, so bytecode is compiled here or at every start: pip did it for
# /opt/venv, and the standard library comes without. Any user may write to /crawls, as to /tmp.
RUN python -m compileall -q -x '/(ensurepip|idlelib|pydoc_data|site-packages|dist-packages|test|tkinter|turtledemo)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && mkdir -m 1777 /crawls
# MALLOC_*: glibc gives the memory of each parsed page back to the kernel and asks for it again; holding it
# halves the CPU time of parsing and does not raise the peak.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_TRIM_THRESHOLD_=67108864 \
    MALLOC_TOP_PAD_=16777216 \
    MALLOC_MMAP_THRESHOLD_=33554432
USER 10001
WORKDIR /crawls
# Unhealthy: a crawl below /crawls has stored nothing for two minutes, though hosts were due.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["crawler", "health"]
ENTRYPOINT ["crawler"]
