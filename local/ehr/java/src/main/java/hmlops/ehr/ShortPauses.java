package hmlops.ehr;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.IOException;
import org.apache.catalina.Context;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

/** Asks clients to come back soon: HAPI always says two minutes, and here an export is ready in seconds. */
final class ShortPauses extends HttpFilter {
  private static final long serialVersionUID = 1L;
  private static final String RETRY_AFTER = "Retry-After";
  private static final String SECONDS = "3";

  static void addTo(Context context) {
    FilterDef definition = new FilterDef();
    definition.setFilterName("pauses");
    definition.setFilter(new ShortPauses());
    context.addFilterDef(definition);
    FilterMap everywhere = new FilterMap();
    everywhere.setFilterName("pauses");
    everywhere.addURLPattern("/*");
    context.addFilterMap(everywhere);
  }

  @Override
  protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    chain.doFilter(
        request,
        new HttpServletResponseWrapper(response) {
          @Override
          public void addHeader(String name, String value) {
            super.addHeader(name, shorter(name, value));
          }

          @Override
          public void setHeader(String name, String value) {
            super.setHeader(name, shorter(name, value));
          }
        });
  }

  private static String shorter(String name, String value) {
    return RETRY_AFTER.equalsIgnoreCase(name) ? SECONDS : value;
  }
}
