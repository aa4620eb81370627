package hmlops.ehr;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

/**
 * SMART App Launch (EHR launch) of one registered app, a public client with PKCE: discovery, authorization and token
 * endpoint.
 *
 * <p>A launch token says which patient and encounter a clinician has open. It is a file named by the token's SHA-256,
 * good for one use until the time that it holds. The server has no sign-in of clinicians: who has a launch token is the
 * clinician's session in this EHR. Its FHIR server asks for no access token, so those that it issues give access to
 * nothing further.
 */
final class SmartLaunch extends HttpServlet {
  private static final long serialVersionUID = 1L;
  private static final String DISCOVERY = "/fhir/.well-known/smart-configuration";
  private static final String AUTHORIZE = "/smart/authorize";
  private static final String TOKEN = "/smart/token";
  private static final int CODE_SECONDS = 60;
  private static final int ACCESS_SECONDS = 300;
  private static final int TOKEN_BYTES = 32;

  private final transient SecureRandom random = new SecureRandom();
  private final transient ObjectMapper json = new ObjectMapper();
  private final transient Map<String, Grant> grants = new ConcurrentHashMap<>();
  private final transient App app;
  private final String origin;

  /** The registered app: its client ID, its redirect URI, and the folder of launch tokens. */
  record App(String client, String redirect, Path launches) {}

  private record Grant(JsonNode context, String challenge, String scope, Instant until) {}

  private SmartLaunch(App app, String origin) {
    this.app = app;
    this.origin = origin;
  }

  /** Serve the launch of an app beside the FHIR server of an origin, such as {@code https://ADDRESS:PORT}. */
  static void addTo(Context context, App app, String origin) {
    Tomcat.addServlet(context, "smart", new SmartLaunch(app, origin));
    for (String path : List.of(DISCOVERY, AUTHORIZE, TOKEN)) {
      context.addServletMappingDecoded(path, "smart");
    }
  }

  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
    switch (request.getServletPath()) {
      case DISCOVERY -> answer(response, HttpServletResponse.SC_OK, configuration());
      case AUTHORIZE -> authorize(request, response);
      default -> response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
    }
  }

  @Override
  protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
    if (request.getServletPath().equals(TOKEN)) {
      token(request, response);
    } else {
      response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
    }
  }

  private Map<String, Object> configuration() {
    return Map.of(
        "authorization_endpoint", origin + AUTHORIZE,
        "token_endpoint", origin + TOKEN,
        "grant_types_supported", List.of("authorization_code"),
        "response_types_supported", List.of("code"),
        "scopes_supported", List.of("launch"),
        "code_challenge_methods_supported", List.of("S256"),
        "capabilities", List.of("launch-ehr", "client-public", "context-ehr-patient", "context-ehr-encounter"));
  }

  private void authorize(HttpServletRequest request, HttpServletResponse response) throws IOException {
    if (!app.client().equals(one(request, "client_id")) || !app.redirect().equals(one(request, "redirect_uri"))) {
      // Nothing is sent to an address that is not registered.
      answer(response, HttpServletResponse.SC_BAD_REQUEST, Map.of("error", "invalid_request"));
      return;
    }
    String state = one(request, "state");
    String challenge = one(request, "code_challenge");
    boolean valid =
        "code".equals(one(request, "response_type"))
            && "S256".equals(one(request, "code_challenge_method"))
            && (origin + "/fhir").equals(one(request, "aud").replaceFirst("/$", ""))
            && !state.isEmpty()
            && !challenge.isEmpty();
    if (!valid) {
      redirect(response, "error", "invalid_request", state);
      return;
    }
    JsonNode context = launched(one(request, "launch"));
    if (context == null) {
      redirect(response, "error", "access_denied", state);
      return;
    }
    grants.values().removeIf(grant -> grant.until().isBefore(Instant.now()));
    String code = secret();
    Instant until = Instant.now().plusSeconds(CODE_SECONDS);
    grants.put(code, new Grant(context, challenge, one(request, "scope"), until));
    redirect(response, "code", code, state);
  }

  private void token(HttpServletRequest request, HttpServletResponse response) throws IOException {
    Grant grant = grants.remove(one(request, "code"));
    boolean valid =
        grant != null
            && grant.until().isAfter(Instant.now())
            && "authorization_code".equals(one(request, "grant_type"))
            && app.client().equals(one(request, "client_id"))
            && app.redirect().equals(one(request, "redirect_uri"))
            && MessageDigest.isEqual(
                grant.challenge().getBytes(StandardCharsets.UTF_8),
                encoded(digest(one(request, "code_verifier"))).getBytes(StandardCharsets.UTF_8));
    if (!valid) {
      answer(response, HttpServletResponse.SC_BAD_REQUEST, Map.of("error", "invalid_grant"));
      return;
    }
    Map<String, Object> issued =
        Map.of(
            "access_token", secret(),
            "token_type", "Bearer",
            "expires_in", ACCESS_SECONDS,
            "scope", grant.scope(),
            "patient", grant.context().path("patient").asText(),
            "encounter", grant.context().path("encounter").asText());
    answer(response, HttpServletResponse.SC_OK, issued);
  }

  /** Return what a launch token opens, and end it; null for one that is unknown, used or over. */
  private JsonNode launched(String token) throws IOException {
    Path file = app.launches().resolve(HexFormat.of().formatHex(digest(token)));
    try {
      JsonNode context = json.readTree(Files.readString(file));
      boolean first = Files.deleteIfExists(file);
      return first && context.path("until").asLong() >= Instant.now().getEpochSecond() ? context : null;
    } catch (NoSuchFileException unknown) {
      return null;
    }
  }

  private void redirect(HttpServletResponse response, String name, String value, String state) throws IOException {
    String query = name + "=" + escaped(value) + (state.isEmpty() ? "" : "&state=" + escaped(state));
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.sendRedirect(app.redirect() + "?" + query);
  }

  private void answer(HttpServletResponse response, int status, Map<String, ?> content) throws IOException {
    response.setStatus(status);
    response.setContentType("application/json");
    response.setHeader("Cache-Control", "no-store");
    json.writeValue(response.getOutputStream(), content);
  }

  private String secret() {
    byte[] bytes = new byte[TOKEN_BYTES];
    random.nextBytes(bytes);
    return encoded(bytes);
  }

  /** Return a parameter that is given once; empty otherwise. */
  private static String one(HttpServletRequest request, String name) {
    String[] values = request.getParameterValues(name);
    return values != null && values.length == 1 ? values[0] : "";
  }

  private static byte[] digest(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException missing) {
      throw new IllegalStateException(missing);
    }
  }

  private static String encoded(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  private static String escaped(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
