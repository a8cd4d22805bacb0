# The web app and its HTTP interface: docker build -t mmpyramid . && docker run -p 7860:7860 mmpyramid
# It computes on the CPU; for CUDA, or for networks of your own, install the extra `torch` as well.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 mmpyramid

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install '.[app,elan,plots]'

USER mmpyramid
WORKDIR /home/mmpyramid
# Pretrained weights (56 MB) are fetched by the first start and kept here.
VOLUME /home/mmpyramid/.cache/mmpyramid
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
# Prints the token that visitors need, unless MMPYRAMID_TOKEN is set and `--token env:MMPYRAMID_TOKEN` given.
ENTRYPOINT ["mmpyramid", "serve", "--host", "0.0.0.0"]
