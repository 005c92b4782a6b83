# docker build -t tptt .                                              CPU
# docker build -t tptt --build-arg BASE=nvidia/cuda:IMAGE-devel-debian12 --build-arg LIBTORCH=URL .
#   CUDA: LIBTORCH is the address of a LibTorch zip (pytorch.org) or its path in BASE.
# docker run -v "$PWD:/work" tptt train configs/quickstart.yaml       --gpus all for CUDA
ARG BASE=debian:12

FROM ${BASE} AS build
ARG LIBTORCH=
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates curl unzip && rm -rf /var/lib/apt/lists/*
RUN case "$LIBTORCH" in http*) curl -fsSL "$LIBTORCH" -o /tmp/l.zip && unzip -q /tmp/l.zip -d /opt && rm /tmp/l.zip ;; esac
COPY . /src
WORKDIR /src
ENV TPTT_MODELS_DIR=/opt/tptt/models
RUN case "$LIBTORCH" in http*) LIBTORCH=/opt/libtorch ;; esac; LIBTORCH=$LIBTORCH ./scripts/setup.sh \
    && cmake --install build --prefix /opt/tptt \
    && mkdir -p /opt/tptt/lib && cp -L .venv/libtorch/lib/*.so* /opt/tptt/lib/ \
    && cp -L .venv/pyarrow/libarrow.so.* .venv/pyarrow/libparquet.so.* /opt/tptt/lib/ && rm -f /opt/tptt/lib/libtorch_python.so

FROM ${BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
      libgomp1 libpcre2-8-0 libspdlog1.10 libutf8proc2 libyaml-cpp0.7 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/tptt /opt/tptt
ENV PATH=/opt/tptt/bin:$PATH TPTT_MODELS_DIR=/opt/tptt/models
WORKDIR /work
ENTRYPOINT ["tptt"]
CMD ["--help"]
