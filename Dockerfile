# The gateway on a supported Node, without development packages, as a user that is not root.
# Build: docker build -t countersign .    Settings go to /etc/countersign, recordings to /var/lib/countersign.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
# Not the tests, the demo and the bench, whose packages are gone.
COPY --from=build /app/manifests ./manifests
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/proxy ./dist/proxy
COPY --from=build /app/dist/bots ./dist/bots
COPY --from=build /app/dist/jobs ./dist/jobs
RUN mkdir -p /etc/countersign /var/lib/countersign && chown node:node /var/lib/countersign
USER node
VOLUME /var/lib/countersign
EXPOSE 8080
# The slim image has no curl; Node is there anyway.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/cli/countersign.js"]
CMD ["serve", "--config", "/etc/countersign/countersign.yaml"]
