# docker build -t workbench .   (GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126)
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/workbench
COPY . .
RUN pip install --no-cache-dir --index-url ${TORCH_INDEX} "torch>=2.6,<2.14" \
 && pip install --no-cache-dir -c constraints.txt ".[hpc]"
WORKDIR /work
ENTRYPOINT ["workbench"]
CMD ["--help"]
