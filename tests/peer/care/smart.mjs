// SMART's JavaScript client (npm fhirclient), unchanged, as a SMART app that an EHR launches.
// Usage: node smart.mjs ISS LAUNCH REDIRECT_URI CLIENT_ID; prints the launch context as JSON.
import { createRequire } from "node:module";

const require = createRequire(process.env.PEER_MODULES + "/");
const smart = require("fhirclient");
const [iss, launch, redirectUri, clientId] = process.argv.slice(2);

function request(url) {
  return { url, headers: { host: new URL(redirectUri).host }, protocol: "https", connection: {}, socket: { encrypted: true } };
}

function response(resolve) {
  const headers = {};
  return {
    headersSent: false,
    setHeader: (name, value) => { headers[name.toLowerCase()] = value; },
    writeHead: (status, more) => { Object.assign(headers, Object.fromEntries(Object.entries(more || {}).map(([name, value]) => [name.toLowerCase(), value]))); },
    end: () => resolve(headers.location),
    redirect: (...parts) => resolve(parts.at(-1)),
    get headers() { return headers; },
  };
}

const kept = {};
const storage = {
  get: async (key) => kept[key],
  set: async (key, value) => (kept[key] = value),
  unset: async (key) => delete kept[key],
};

const authorize = await new Promise((resolve, reject) => {
  smart(request(`/launch?iss=${encodeURIComponent(iss)}&launch=${launch}`), response(resolve), storage)
    .authorize({ clientId, redirectUri, scope: "launch", pkceMode: "required" })
    .catch(reject);
});
const back = new URL((await fetch(authorize, { redirect: "manual" })).headers.get("location"));
const client = await smart(request(back.pathname + back.search), response(() => {}), storage).ready();
const patient = await client.patient.read();
console.log(JSON.stringify({ patient: client.patient.id, encounter: client.encounter.id, read: patient.id }));
