FROM python:3.13-slim AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
# Without pip of its own: the image needs none, and this one can install into it.
RUN python -m venv --without-pip /opt/venv
WORKDIR /src
# The dependencies first, so that a change of the code alone does not install them again.
COPY pyproject.toml LICENSE README.md* ./
COPY crawler/__init__.py crawler/
RUN python -m pip --python /opt/venv install --no-cache-dir --disable-pip-version-check '.[speed,encodings]' \
    # Half of what the wheels bring is debug information and the C sources of what they hold compiled.
 && find /opt/venv -name '*.so' -exec strip --strip-debug {} + \
 && find /opt/venv -regextype egrep -regex '.*\.(c|cpp|h|pyx|pxd|pxi)' -delete
COPY crawler crawler
COPY config config
RUN python -m pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="crawler" \
      org.opencontainers.image.description="A polite, fast, resumable web crawler that keeps everything it learns in one folder" \
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
ENTRYPOINT ["crawler"]
