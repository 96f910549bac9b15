/* Saxon-HE in a warm JVM, for `waybill bench map`: parse a document that is in memory, transform it, serialise the result, the
 * stylesheet compiled once.
 *
 *   java -cp saxon-he.jar Saxon.java STYLESHEET DOC…      then, a line on standard input each: NUMBER ROUNDS
 *
 * Answers each line with the nanoseconds of one document. Before the first answer each document has been transformed for two seconds. */
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.xml.transform.stream.StreamSource;
import net.sf.saxon.s9api.Processor;
import net.sf.saxon.s9api.Serializer;
import net.sf.saxon.s9api.Xslt30Transformer;
import net.sf.saxon.s9api.XsltExecutable;

public final class Saxon {
    private static double measure(Processor processor, XsltExecutable sheet, byte[] octets, long rounds) throws Exception {
        long start = System.nanoTime();
        for (long round = 0; round < rounds; round++) {
            ByteArrayOutputStream made = new ByteArrayOutputStream(4096);
            Serializer out = processor.newSerializer(made);
            Xslt30Transformer transformer = sheet.load30();
            transformer.transform(new StreamSource(new ByteArrayInputStream(octets)), out);
            if (made.size() == 0) {
                throw new IllegalStateException("nothing was made");
            }
        }
        return (double) (System.nanoTime() - start) / rounds;
    }

    public static void main(String[] words) throws Exception {
        Processor processor = new Processor(false);
        XsltExecutable sheet = processor.newXsltCompiler().compile(new StreamSource(new File(words[0])));
        byte[][] documents = new byte[words.length - 1][];
        for (int at = 1; at < words.length; at++) {
            documents[at - 1] = Files.readAllBytes(Path.of(words[at]));
        }
        for (byte[] octets : documents) {
            long end = System.nanoTime() + 2_000_000_000L;
            while (System.nanoTime() < end) {
                measure(processor, sheet, octets, 20);
            }
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.trim().split(" ");
            System.out.println(measure(processor, sheet, documents[Integer.parseInt(parts[0])], Long.parseLong(parts[1])));
            System.out.flush();
        }
    }
}
