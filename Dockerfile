# engramd and engramctl in a small image, run by an unprivileged user. How to run it, and how to allow
# it io_uring, which Docker's default seccomp profile forbids: deploy/README.md.

FROM debian:12-slim AS build
COPY deploy/install_dependencies.sh /src/deploy/
RUN /src/deploy/install_dependencies.sh && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN cmake --preset release -DENGRAM_BUILD_TESTS=OFF \
    && cmake --build --preset release --parallel "$(nproc)" \
    && cmake --install build/release --prefix /out --strip

FROM debian:12-slim
COPY deploy/install_dependencies.sh /tmp/
RUN /tmp/install_dependencies.sh --runtime \
    && rm -rf /tmp/install_dependencies.sh /var/lib/apt/lists/* \
    && groupadd --gid 10001 engram \
    && useradd --uid 10001 --gid engram --no-create-home --home-dir /var/lib/engramd \
        --shell /usr/sbin/nologin engram \
    && install --directory --owner engram --group engram --mode 0750 \
        /var/lib/engramd /run/engramd
COPY --from=build /out/bin/engramd /out/bin/engramctl /usr/local/bin/
USER 10001:10001
VOLUME /var/lib/engramd
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["engramctl", "health"]
ENTRYPOINT ["engramd"]
