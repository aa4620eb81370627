package hmlops.ehr;

import ca.uhn.fhir.rest.server.RestfulServer;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.core.env.MapPropertySource;

/** A FHIR R4 server with Bulk Data export, over TLS alone: HAPI FHIR's JPA server in an embedded Tomcat. */
public final class FhirServer {
  private static final int WITHOUT_APP = 5;
  private static final int WITH_APP = 8;
  private static final String PROTOCOL = "org.apache.coyote.http11.Http11NioProtocol";

  private FhirServer() {}

  /**
   * Serve FHIR below {@code https://ADDRESS:PORT/fhir} until the process ends.
   *
   * @param arguments the address and port, the PEM files of the certificate and its key, and the JDBC URL of an H2
   *     database; then, for a server that launches an app, the app's client ID and redirect URI, and the folder of
   *     launch tokens
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != WITHOUT_APP && arguments.length != WITH_APP) {
      System.err.println(
          "usage: FhirServer ADDRESS PORT CERTIFICATE.pem KEY.pem JDBC_URL [CLIENT_ID REDIRECT_URI LAUNCHES]");
      System.exit(2);
    }
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(Files.createTempDirectory("ehr-tomcat").toString());
    tomcat.setConnector(connector(arguments[0], Integer.parseInt(arguments[1]), arguments[2], arguments[3]));
    Context root = tomcat.addContext("", null);
    Tomcat.addServlet(root, "fhir", server(arguments[4])).setLoadOnStartup(1);
    root.addServletMappingDecoded("/fhir/*", "fhir");
    if (arguments.length == WITH_APP) {
      SmartLaunch.App app = new SmartLaunch.App(arguments[5], arguments[6], Path.of(arguments[7]));
      SmartLaunch.addTo(root, app, "https://" + arguments[0] + ":" + arguments[1]);
    }
    ShortPauses.addTo(root);
    tomcat.start();
    tomcat.getServer().await();
  }

  private static Connector connector(String address, int port, String certificate, String key) {
    SSLHostConfig tls = new SSLHostConfig();
    tls.setProtocols("TLSv1.2+TLSv1.3");
    SSLHostConfigCertificate shown = new SSLHostConfigCertificate(tls, SSLHostConfigCertificate.Type.UNDEFINED);
    shown.setCertificateFile(new File(certificate).getAbsolutePath());
    shown.setCertificateKeyFile(new File(key).getAbsolutePath());
    tls.addCertificate(shown);
    Connector connector = new Connector(PROTOCOL);
    connector.setProperty("address", address);
    connector.setPort(port);
    connector.setScheme("https");
    connector.setSecure(true);
    connector.setProperty("SSLEnabled", "true");
    connector.addSslHostConfig(tls);
    return connector;
  }

  private static RestfulServer server(String database) {
    AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext();
    beans.getEnvironment()
        .getPropertySources()
        .addFirst(new MapPropertySource("arguments", Map.of(ServerBeans.DATABASE, database)));
    beans.register(ServerBeans.class);
    beans.refresh();
    return beans.getBean(RestfulServer.class);
  }
}
