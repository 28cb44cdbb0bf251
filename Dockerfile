# Two stages: one builds the wheel, one installs it. Run: docker run -p 9000:9000 -v panthera:/data panthera
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN python3 -m venv /build && /build/bin/pip install --require-hashes -r requirements/serve.txt \
    && PATH=/build/bin:$PATH maturin build --release --interpreter python3 --out /wheels

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 panthera && install -d -o panthera -m 0700 /data
COPY requirements/serve.txt /tmp/serve.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --require-hashes -r /tmp/serve.txt && pip install --no-cache-dir --no-deps /wheels/*.whl \
    && rm -r /wheels /tmp/serve.txt
USER panthera
ENV PANTHERA_DATA=/data PANTHERA_S3_LISTEN=:9000 PANTHERA_ADMIN_LISTEN=127.0.0.1:9001
VOLUME /data
EXPOSE 9000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9001/health/ready')"]
ENTRYPOINT ["panthera"]
CMD ["serve"]
