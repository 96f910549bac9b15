/* Xerces (the JDK's) in a warm JVM, for `waybill bench xsd`: parse and validate a document that is in memory, the schema compiled
 * once, the validator used again.
 *
 *   java Xerces.java SCHEMA DOC…      then, a line on standard input each: NUMBER ROUNDS
 *
 * Answers each line with the nanoseconds of one document. Before the first answer each document has been read for a second. */
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.SchemaFactory;
import javax.xml.validation.Validator;

public final class Xerces {
    private static double measure(Validator validator, byte[] octets, long rounds) throws Exception {
        long start = System.nanoTime();
        for (long round = 0; round < rounds; round++) {
            validator.validate(new StreamSource(new ByteArrayInputStream(octets)));
        }
        return (double) (System.nanoTime() - start) / rounds;
    }

    public static void main(String[] words) throws Exception {
        Validator validator =
            SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI).newSchema(new File(words[0])).newValidator();
        byte[][] documents = new byte[words.length - 1][];
        for (int at = 1; at < words.length; at++) {
            documents[at - 1] = Files.readAllBytes(Path.of(words[at]));
        }
        for (byte[] octets : documents) {
            long end = System.nanoTime() + 1_000_000_000L;
            while (System.nanoTime() < end) {
                measure(validator, octets, 20);
            }
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.trim().split(" ");
            System.out.println(measure(validator, documents[Integer.parseInt(parts[0])], Long.parseLong(parts[1])));
            System.out.flush();
        }
    }
}
