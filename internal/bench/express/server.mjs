// Two pages, one of them behind a login, for the comparison of whole servers.
import express from "express";
import oidc from "express-openid-connect";

const [, , port, issuer] = process.argv;
const app = express();
app.get("/open", (req, res) => res.send("ok\n"));
app.use(
  oidc.auth({
    baseURL: `http://127.0.0.1:${port}`,
    issuerBaseURL: issuer,
    clientID: "app",
    clientSecret: "secret",
    secret: "a secret for cookies that is long enough",
    idTokenSigningAlg: "ES256",
    clientAuthMethod: "client_secret_post",
    authorizationParams: { response_type: "code", scope: "openid" },
    authRequired: false,
  }),
);
app.get("/in", oidc.requiresAuth(), (req, res) => res.send("ok\n"));
app.listen(Number(port), "127.0.0.1");
