package hmlops.ehr;

import ca.uhn.fhir.rest.server.RestfulServer;
import java.io.File;
import java.nio.file.Files;
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
  private static final String PROTOCOL = "org.apache.coyote.http11.Http11NioProtocol";

  private FhirServer() {}

  /**
   * Serve FHIR below {@code https://ADDRESS:PORT/fhir} until the process ends.
   *
   * @param arguments the address and port, the PEM files of the certificate and its key, and the JDBC URL of an H2
   *     database
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 5) {
      System.err.println("usage: FhirServer ADDRESS PORT CERTIFICATE.pem KEY.pem JDBC_URL");
      System.exit(2);
    }
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(Files.createTempDirectory("ehr-tomcat").toString());
    tomcat.setConnector(connector(arguments[0], Integer.parseInt(arguments[1]), arguments[2], arguments[3]));
    Context root = tomcat.addContext("", null);
    Tomcat.addServlet(root, "fhir", server(arguments[4])).setLoadOnStartup(1);
    root.addServletMappingDecoded("/fhir/*", "fhir");
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
