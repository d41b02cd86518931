// An authorization server and an upstream on one free port of loopback, until standard input ends. Says where in one line
// of JSON.
//
//   POST   /token     the provider's own; with `resource` = `urn:connectors:ALG` the token is a JWT for the audience
//                     `connectors` that is signed with ALG, and its roles are those of the client's name
//   GET    /api/…     answers to a token that the provider issued and did not revoke, and repeats it; else 401
//   GET    /issued    the tokens that were issued, and how often one was refused
//   DELETE /issued    revokes them
import { once } from "node:events";
import { generateKeyPairSync } from "node:crypto";
import http from "node:http";
import Provider from "oidc-provider";

const secret = process.env.CLIENT_SECRET;
const client = (id, method) => ({
  client_id: id,
  client_secret: secret,
  token_endpoint_auth_method: method,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  scope: "hr.read hr.write",
});

const server = http.createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const origin = `http://127.0.0.1:${server.address().port}`;

// Keys of this process: nothing is to be kept.
const keys = [
  ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["EdDSA", generateKeyPairSync("ed25519")],
].map(([alg, pair]) => ({ ...pair.privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `own-${alg}` }));

const provider = new Provider(origin, {
  jwks: { keys },
  clients: [client("hr-basic", "client_secret_basic"), client("hr-post", "client_secret_post")],
  scopes: ["hr.read", "hr.write"],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_context, resource) => ({
        scope: "hr.read hr.write",
        audience: "connectors",
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: resource.replace("urn:connectors:", "") } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => ({ roles: ["offline_access", token.clientId === "hr-post" ? "viewer" : "operator"] }),
  ttl: { ClientCredentials: 600 },
});

const tokens = [];
let refused = 0;
provider.on("grant.success", (context) => tokens.push(context.body.access_token));
provider.on("grant.error", () => (refused += 1));
const own = provider.callback();

const answer = (response, status, body, headers = {}) => {
  const text = JSON.stringify(body);
  const described = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  response.writeHead(status, { ...described, ...headers });
  response.end(text);
};

const upstream = async (request, response) => {
  const value = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  const token = value && (await provider.ClientCredentials.find(value));
  if (!token || token.isExpired) {
    return answer(response, 401, { error: "invalid_token", sent: value ?? null }, { "www-authenticate": "Bearer" });
  }
  return answer(response, 200, { client: token.clientId, scope: token.scope ?? null, path: request.url, sent: value });
};

const revoke = async () => {
  for (const value of tokens) {
    await (await provider.ClientCredentials.find(value))?.destroy();
  }
};

server.on("request", (request, response) => {
  if (request.url.startsWith("/api/")) {
    upstream(request, response).catch(() => response.destroy());
  } else if (request.url === "/issued" && request.method === "DELETE") {
    revoke().then(() => answer(response, 200, {}), () => response.destroy());
  } else if (request.url === "/issued") {
    answer(response, 200, { tokens, refused });
  } else {
    own(request, response);
  }
});

console.log(JSON.stringify({ origin }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
