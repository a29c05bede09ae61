# docker build -t workbench .
FROM python:3.11-slim
WORKDIR /opt/workbench
COPY . .
RUN pip install --no-cache-dir -c constraints.txt ".[hpc]"
WORKDIR /work
ENTRYPOINT ["workbench"]
CMD ["--help"]
