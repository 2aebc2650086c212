# strata-server and strata on a slim Debian, as an unprivileged user.
#
#   docker build -t strata .
#   docker run -p 50051:50051 -p 9090:9090 -v strata:/var/lib/strata strata
#
# With LibTorch's CUDA half, 2.8 GB more, for hosts that have NVIDIA's driver and
# container toolkit:
#
#   docker build --build-arg CUDA=1 -t strata:cuda .
#   docker run --gpus all -e STRATA_DEVICES=cuda -p 50051:50051 -p 9090:9090 \
#     -v strata:/var/lib/strata strata:cuda
ARG BASE=debian:bookworm-slim

# Dependencies first: they change least.
FROM ${BASE} AS build
ENV STRATA_CACHE=/opt/strata-cache
WORKDIR /src
COPY deploy/install_deps.sh deploy/progress.sh deploy/packages.txt deploy/libtorch.txt \
    deploy/libtorch-cuda.txt deploy/
RUN deploy/install_deps.sh
ARG CUDA=0
RUN if [ "$CUDA" = 1 ]; then deploy/install_deps.sh --cuda; fi
COPY CMakeLists.txt CMakePresets.json ./
COPY deploy/cmake deploy/cmake
COPY proto proto
COPY model model
COPY server server
COPY client client
COPY tests tests
RUN cmake --preset release -DSTRATA_BUNDLE_CUDA=$CUDA \
    && cmake --build build/release --target strata-server strata \
    && cmake --install build/release --prefix /opt/strata --strip

FROM ${BASE}
RUN groupadd --gid 10001 strata \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/strata \
        --shell /usr/sbin/nologin strata \
    && install -d -o strata -g strata /var/lib/strata /var/lib/strata/models /var/lib/strata/data
COPY --from=build /opt/strata /opt/strata
ENV PATH=/opt/strata/bin:$PATH \
    STRATA_LISTEN=0.0.0.0:50051 \
    STRATA_HTTP=0.0.0.0:9090 \
    STRATA_MODELS=/var/lib/strata/models \
    STRATA_DATA=/var/lib/strata/data
VOLUME /var/lib/strata
EXPOSE 50051 9090
# A number, so that Kubernetes can see that it is not root's.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["strata", "models"]
ENTRYPOINT ["strata-server"]
