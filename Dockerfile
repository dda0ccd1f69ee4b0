# The image of all three commands: pychat-relay (the default), pychat-admin and pychat.
# Decides what goes in: compiled code, production dependencies, one native binary. Settings come from outside
# (docs/architecture.md, "The image").
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY libs/protocol/package.json libs/protocol/
COPY libs/crypto/package.json libs/crypto/
COPY libs/client/package.json libs/client/
COPY apps/relay/package.json apps/relay/
COPY apps/admin-cli/package.json apps/admin-cli/
COPY apps/client/package.json apps/client/
COPY loadtest/package.json loadtest/
# npm links a workspace's command only if its file is there.
COPY apps/relay/bin apps/relay/bin
COPY apps/admin-cli/bin apps/admin-cli/bin
COPY apps/client/bin apps/client/bin

FROM manifests AS build
RUN npm ci --ignore-scripts
COPY tsconfig.base.json ./
COPY libs libs
COPY apps apps
# By name: tsconfig.json also leads to loadtest/, which is not here.
RUN npx tsc -b apps/relay apps/admin-cli apps/client
# Only what runs: bin, compiled code, Lua scripts, manifests.
RUN find libs apps -type f \( -name '*.d.ts' -o -name '*.d.ts.map' -o -name '.tsbuildinfo' \) -not -path '*/node_modules/*' -delete \
 && rm -rf libs/*/src libs/*/test libs/*/tsconfig.json apps/*/src apps/*/test apps/*/tsconfig.json

FROM manifests AS dependencies
RUN npm ci --omit=dev --ignore-scripts -w apps/relay -w apps/admin-cli -w apps/client
# The uWS package carries a binary for every platform and Node: keep the one that this Node loads, and its licence.
# The relay loads that file itself, so none of the package's JavaScript is needed.
RUN cd node_modules/uWebSockets.js \
 && find . -mindepth 1 -maxdepth 1 ! -name package.json ! -name LICENSE ! -name source_commit \
      ! -name "uws_linux_$(node -p 'process.arch + "_" + process.versions.modules').node" \
      -exec rm -rf {} + \
 && ls uws_linux_*.node

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="PyChat" \
      org.opencontainers.image.description="Private group chat over a relay that cannot read it" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/libs libs
COPY --from=build /app/apps apps
COPY deploy/image/healthcheck.js deploy/image/healthcheck.js
ENV NODE_ENV=production \
    PATH=/app/node_modules/.bin:$PATH \
    HOME=/run/pychat \
    PYCHAT_STATE_DIR=/run/pychat
# The token of the admin API lies here; compose and the chart put memory under it.
RUN mkdir -p /run/pychat && chown 10001:10001 /run/pychat && chmod 0700 /run/pychat
USER 10001:10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s --retries=3 CMD ["node", "/app/deploy/image/healthcheck.js"]
CMD ["pychat-relay"]
