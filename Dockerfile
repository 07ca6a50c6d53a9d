# The image of all roles: `daybook serve`, `worker`, `project` and `migrate up` differ by their command.

# To the minor version that the tests run with, and to Debian's current stable release before this one.
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/daybook
WORKDIR /src
# The packages first: they change less often than the code, and are then taken from the cache.
COPY requirements.lock ./
RUN /opt/daybook/bin/pip install --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY application application
COPY projections projections
COPY migrations migrations
COPY api api
RUN /opt/daybook/bin/pip install --no-deps --no-build-isolation .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="daybook" \
      org.opencontainers.image.description="An event-sourced double-entry ledger on Postgres" \
      org.opencontainers.image.licenses="MIT"
# A fixed number, so that volumes keep their owner when the image is built anew.
RUN groupadd --system --gid 10001 daybook \
    && useradd --system --uid 10001 --gid daybook --no-create-home --shell /usr/sbin/nologin daybook \
    && install --directory --owner daybook --group daybook --mode 0700 /var/lib/daybook
COPY --from=build /opt/daybook /opt/daybook
ENV PATH=/opt/daybook/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/var/lib/daybook
USER 10001:10001
WORKDIR /var/lib/daybook
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "api.probe"]
ENTRYPOINT ["daybook"]
CMD ["serve"]
