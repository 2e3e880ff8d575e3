# One image for every service; docker-compose.yml says which of them a container runs. The base is an exact version;
# where images must not change under their tag, write the digest behind it that you have checked.

FROM node:24.11.1-bookworm-slim AS build
ENV CI=true PNPM="npx -y pnpm@12.21.0"
WORKDIR /app
# The lockfile alone decides this layer, so that a change of the sources downloads nothing again.
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
RUN $PNPM fetch
COPY . .
RUN $PNPM install --frozen-lockfile --offline && node_modules/.bin/tsc -b
# Installed again without development dependencies: pnpm's prune does not reach into workspace packages.
RUN rm -rf node_modules packages/*/node_modules apps/*/node_modules \
 && $PNPM install --frozen-lockfile --offline --prod --no-optional \
 && find packages apps -name node_modules -prune -o -type d -name src -prune -exec rm -rf {} +

FROM node:24.11.1-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# Owned by root and run by another user: a process cannot change its own code.
COPY --from=build /app ./
USER node
CMD ["node", "apps/api/dist/main.js"]
