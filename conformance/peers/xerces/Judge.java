// Judges a list of schemas and instances with the JDK's own Xerces: `java Judge.java ROOT LIST` prints `name TAB valid|invalid` for each.

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.XMLConstants;
import javax.xml.transform.Source;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.Schema;
import javax.xml.validation.SchemaFactory;
import javax.xml.validation.Validator;
import org.xml.sax.ErrorHandler;
import org.xml.sax.SAXParseException;

public final class Judge {
    private static final ErrorHandler STRICT = new ErrorHandler() {
        public void warning(SAXParseException problem) { }
        public void error(SAXParseException problem) throws SAXParseException { throw problem; }
        public void fatalError(SAXParseException problem) throws SAXParseException { throw problem; }
    };

    private static Schema load(Path root, String documents) throws Exception {
        SchemaFactory factory = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI);
        factory.setProperty(XMLConstants.ACCESS_EXTERNAL_SCHEMA, "file");
        factory.setProperty(XMLConstants.ACCESS_EXTERNAL_DTD, "");
        factory.setErrorHandler(STRICT);
        Source[] sources = Stream.of(documents.split(" ")).map(name -> new StreamSource(new File(root.toFile(), name))).toArray(Source[]::new);
        return factory.newSchema(sources);
    }

    public static void main(String[] arguments) throws Exception {
        Path root = Path.of(arguments[0]);
        List<String> lines = Files.readAllLines(Path.of(arguments[1]));
        StringBuilder out = new StringBuilder();
        String group = "";
        Schema schema = null;
        for (String line : lines) {
            String[] fields = line.split("\t", -1);
            if (fields[0].equals("G")) {
                group = fields[1] + "/" + fields[2];
                schema = null;
                if (fields[4].isEmpty()) {
                    continue;
                }
                try {
                    schema = load(root, fields[4]);
                } catch (Exception | StackOverflowError refused) {
                    schema = null;
                }
                out.append(group).append(schema == null ? "\tinvalid\n" : "\tvalid\n");
            } else if (fields[0].equals("I") && schema != null) {
                boolean valid = true;
                try {
                    Validator validator = schema.newValidator();
                    validator.setProperty(XMLConstants.ACCESS_EXTERNAL_SCHEMA, "file");
                    validator.setProperty(XMLConstants.ACCESS_EXTERNAL_DTD, "");
                    validator.setErrorHandler(STRICT);
                    validator.validate(new StreamSource(new File(root.toFile(), fields[2])));
                } catch (Exception | StackOverflowError refused) {
                    valid = false;
                }
                out.append(group).append('/').append(fields[1]).append(valid ? "\tvalid\n" : "\tinvalid\n");
            }
        }
        System.out.print(out);
    }
}
